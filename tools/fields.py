"""What stands beside a type: pydantic's Field(...), the rest of Annotated[...], a plain default. AST only."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tools.declarations import Declarations

_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
_LENGTHS = {
    "min_length": {"string": "minLength", "array": "minItems"},
    "max_length": {"string": "maxLength", "array": "maxItems"},
}


@dataclass(frozen=True, slots=True)
class FieldNotes:
    """`constraints` are Field's own words (ge, max_length); `has_default` says that the value may be left out."""

    description: str = ""
    alias: str = ""
    has_default: bool = False
    constraints: Mapping[str, Any] = field(default_factory=dict)

    def joined(self, other: "FieldNotes") -> "FieldNotes":
        """These notes with what `other` says on top."""
        return FieldNotes(
            description=other.description or self.description,
            alias=other.alias or self.alias,
            has_default=other.has_default or self.has_default,
            constraints={**self.constraints, **other.constraints},
        )

    def limits(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The constraints as JSON schema keywords, for a value of this schema."""
        kind = schema.get("type", "")
        lengths = {_LENGTHS[name].get(kind): value for name, value in self.constraints.items() if name in _LENGTHS}
        plain = {_LIMITS[name]: value for name, value in self.constraints.items() if name in _LIMITS}
        return plain | {name: value for name, value in lengths.items() if name}


def read_notes(node: ast.expr | None, declarations: Declarations, *, is_default: bool = False) -> FieldNotes:
    """Notes of one expression. With `is_default` it stands after `=`, so anything but Field(...) or ... is a default."""
    if node is None:
        return FieldNotes()
    if isinstance(node, ast.Call) and _last_name(node, declarations) == "Field":
        return _field_notes(node, declarations)
    if isinstance(node, ast.Call) and _last_name(node, declarations) == "Doc" and node.args:
        return FieldNotes(description=_text(node.args[0], declarations))
    if is_default:
        return FieldNotes(has_default=not _is_ellipsis(node))
    return FieldNotes(description=_text(node, declarations))


def _field_notes(call: ast.Call, declarations: Declarations) -> FieldNotes:
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    default = call.args[0] if call.args else named.get("default")
    constraints = {name: constant(named[name]) for name in (*_LIMITS, *_LENGTHS) if name in named}
    return FieldNotes(
        description=_text(named.get("description"), declarations),
        alias=_text(named.get("validation_alias") or named.get("alias"), declarations),
        has_default=(default is not None and not _is_ellipsis(default)) or "default_factory" in named,
        constraints={name: value for name, value in constraints.items() if value is not None},
    )


def constant(node: ast.expr) -> Any:
    """The value of a literal; None for anything that would have to be run."""
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _text(node: ast.expr | None, declarations: Declarations) -> str:
    """A text written out, joined with +, or held by a constant of the source; "" for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return " ".join(text.split())
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return f"{_text(left, declarations)} {_text(right, declarations)}".strip()
        case ast.Name(id=name) if isinstance(declarations.values.get(name), ast.Constant):
            return _text(declarations.values[name], declarations)
        case _:
            return ""


def _last_name(call: ast.Call, declarations: Declarations) -> str:
    return declarations.qualified(call.func).split(".")[-1]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
