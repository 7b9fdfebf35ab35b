"""From a type annotation, as written, to JSON schema. AST only: nothing of the source is run.

What can be described: int, float, str, bool, list[T], tuple[A, B], dict, Literal, Optional[T] and T | None, Annotated[T, ...],
enum classes and pydantic models of the same source, and aliases of these.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tools.declarations import Declarations, enum_values, field_statements
from tools.fields import FieldNotes, read_notes
from tools.problems import Problem, ProblemKind

MAX_TYPES = 5_000

_PLAIN = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_LISTS = {"list", "List"}
_TUPLES = {"tuple", "Tuple"}
_DICTS = {"dict", "Dict"}
_ADVICE = {
    "Any": "Write the type the tool expects, for example str, or dict for an object of any content.",
    "object": "Write the type the tool expects, for example str, or dict for an object of any content.",
    "bytes": "Write str and say in the description how it is encoded, for example base64.",
    "Optional": "Write Optional[T] with the type, for example Optional[str].",
    "Union": "Write one type, or Optional[T] for a value that may be left out.",
    "None": "Write the type the tool expects when a value is given, for example Optional[str].",
}
_LIST_LIKE = {"set", "Set", "frozenset", "FrozenSet", "Sequence", "Iterable", "Collection", "MutableSequence", "deque"}
_DICT_LIKE = {"Mapping", "MutableMapping", "OrderedDict", "defaultdict", "TypedDict"}
_TEXT_LIKE = {"date", "datetime", "time", "timedelta", "Decimal", "UUID", "Path"}


@dataclass(frozen=True, slots=True)
class TypeSchema:
    """JSON schema of a type. `notes` is what Annotated says besides; a refused type has the schema {}."""

    schema: dict[str, Any]
    is_optional: bool = False
    notes: FieldNotes = field(default_factory=FieldNotes)

    def nullable(self) -> dict[str, Any]:
        """The schema that also accepts null, if the type does."""
        return {"anyOf": [self.schema, {"type": "null"}]} if self.is_optional else self.schema


class AnnotationReader:
    """Reads annotations against one source's declarations; what cannot be described is added to `problems`."""

    def __init__(self, declarations: Declarations) -> None:
        self.problems: list[Problem] = []
        self._declarations = declarations
        self._open_names: list[str] = []  # aliases and models being expanded, to notice those that contain themselves
        self._types_left = MAX_TYPES

    def read(self, node: ast.expr, subject: str) -> TypeSchema:
        """The schema of an annotation. `subject` begins a problem's message: "Parameter 'a' in function 'f'"."""
        if not self._has_room(node, subject):
            return TypeSchema({})
        match node:
            case ast.Constant(value=str(text)):
                return self._read_text(text, node, subject)
            case ast.Constant(value=None):
                return self._refuse(node, subject, _ADVICE["None"])
            case ast.BinOp(op=ast.BitOr()):
                return self._read_union(list(_alternatives(node)), node, subject)
            case ast.Subscript(value=value, slice=inner):
                items = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                return self._read_generic(self._declarations.qualified(value), items, node, subject)
            case ast.Name() | ast.Attribute():
                return self._read_name(self._declarations.qualified(node), node, subject)
            case _:
                return self._refuse(node, subject, "Write a type such as str, int, list[str] or a pydantic model.")

    def _read_text(self, text: str, node: ast.expr, subject: str) -> TypeSchema:
        try:
            inner = ast.parse(text.strip(), mode="eval").body
        except SyntaxError:
            return self._refuse(node, subject, "The text within the quotes must be a type, for example 'list[str]'.")
        for part in ast.walk(inner):  # so that problems are reported where the text stands
            ast.copy_location(part, node)
        return self.read(inner, subject)

    def _read_name(self, name: str, node: ast.expr, subject: str) -> TypeSchema:
        if name in _PLAIN:
            return TypeSchema({"type": _PLAIN[name]})
        if name in _LISTS:
            return TypeSchema({"type": "array", "items": {"type": "string"}})
        if name in _DICTS:
            return TypeSchema({"type": "object"})
        if name not in self._declarations.classes and name not in self._declarations.values:
            return self._refuse(node, subject, _advice(name))
        if name in self._open_names:
            return self._refuse(node, subject, f"{name} contains itself. Write it without the inner {name}.")
        self._open_names.append(name)
        try:
            return self._read_declared(name, node, subject)
        finally:
            self._open_names.pop()

    def _read_declared(self, name: str, node: ast.expr, subject: str) -> TypeSchema:
        declared = self._declarations.classes.get(name)
        if declared is None:
            return self.read(_aliased(self._declarations.values[name]), subject)
        if self._declarations.is_enum(declared):
            return self._read_enum(declared, node, subject)
        if self._declarations.is_model(declared):
            return TypeSchema(self._read_model(declared))
        return self._refuse(node, subject, f"Make {name} a pydantic model: class {name}(BaseModel).")

    def _read_generic(self, name: str, items: list[ast.expr], node: ast.expr, subject: str) -> TypeSchema:
        if name == "Optional" and len(items) == 1:
            return replace(self.read(items[0], subject), is_optional=True)
        if name == "Union":
            return self._read_union(items, node, subject)
        if name == "Annotated" and len(items) > 1:
            return self._read_annotated(items, subject)
        if name == "Literal":
            return self._read_literal(items, node, subject)
        if name in _LISTS and len(items) == 1:
            return TypeSchema({"type": "array", "items": self.read(items[0], subject).nullable()})
        if name in _TUPLES:
            return self._read_tuple(items, node, subject)
        if name in _DICTS:
            advice = "Write dict for an object of any content, or a pydantic model that names its fields."
            return self._refuse(node, subject, advice)
        return self._refuse(node, subject, _advice(name))

    def _read_union(self, items: list[ast.expr], node: ast.expr, subject: str) -> TypeSchema:
        types = [item for item in items if not (isinstance(item, ast.Constant) and item.value is None)]
        if len(types) != 1:
            return self._refuse(node, subject, _ADVICE["Union"])
        inner = self.read(types[0], subject)
        return replace(inner, is_optional=inner.is_optional or len(items) > 1)

    def _read_annotated(self, items: list[ast.expr], subject: str) -> TypeSchema:
        inner = self.read(items[0], subject)
        notes = inner.notes
        for item in items[1:]:
            notes = notes.joined(read_notes(item, self._declarations))
        return replace(inner, schema={**inner.schema, **notes.limits(inner.schema)}, notes=notes)

    def _read_literal(self, items: list[ast.expr], node: ast.expr, subject: str) -> TypeSchema:
        values = [item.value for item in items if isinstance(item, ast.Constant)]
        if len(values) != len(items) or not all(isinstance(value, str | int | None) for value in values):
            return self._refuse(node, subject, 'List plain texts or whole numbers, for example Literal["day", "week"].')
        return TypeSchema(_choices([value for value in values if value is not None]), is_optional=None in values)

    def _read_tuple(self, items: list[ast.expr], node: ast.expr, subject: str) -> TypeSchema:
        if any(isinstance(item, ast.Constant) and item.value is Ellipsis for item in items):
            return self._refuse(node, subject, "Write list[T] for any number of values of one type.")
        schemas = [self.read(item, subject).nullable() for item in items]
        distinct = [schema for index, schema in enumerate(schemas) if schema not in schemas[:index]]
        # Some providers refuse an array without `items`; with the length fixed it adds nothing to `prefixItems`.
        items_schema = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
        length = {"minItems": len(schemas), "maxItems": len(schemas)}
        return TypeSchema({"type": "array", "prefixItems": schemas, "items": items_schema, **length})

    def _read_enum(self, declared: ast.ClassDef, node: ast.expr, subject: str) -> TypeSchema:
        values = list(enum_values(declared, self._declarations))
        if not values or not all(isinstance(value, str | int | float) for value in values):
            advice = f"Give each member of {declared.name} a plain text or number, for example DAY = 'day'."
            return self._refuse(node, subject, advice)
        return TypeSchema(_choices(values))

    def _read_model(self, declared: ast.ClassDef) -> dict[str, Any]:
        """A pydantic model as an object schema; fields of its bases come first, as pydantic has them."""
        fields: dict[str, ast.AnnAssign] = {}
        for base in reversed(list(self._declarations.bases(declared))):
            fields.update(field_statements(base))
        properties: dict[str, Any] = {}
        required: list[str] = []
        for name, statement in fields.items():
            subject = f"Field '{name}' of model '{declared.name}'"
            read = self.read(statement.annotation, subject)
            notes = read.notes.joined(read_notes(statement.value, self._declarations, is_default=True))
            if not notes.description:
                hint = f'Write {name}: ... = Field(description="what it is").'
                self._add(statement, f"{subject} lacks a description", hint)
            wire_name = notes.alias or name
            # pydantic wants an Optional field without a default to be given, if only as null.
            schema = read.schema if notes.has_default else read.nullable()
            properties[wire_name] = {**schema, **notes.limits(read.schema), "description": notes.description}
            if not notes.has_default:
                required.append(wire_name)
        return {"type": "object", "properties": properties, "required": required}

    def _has_room(self, node: ast.expr, subject: str) -> bool:
        """Types that hold each other multiply when written out; the count keeps a schema, and the work on it, finite."""
        self._types_left -= 1
        if self._types_left == -1:
            message = f"{subject} makes a schema of more than {MAX_TYPES:,} types"
            self._add(node, message, "Ask the model for less at once, or take a dict.")
        return self._types_left >= 0

    def _refuse(self, node: ast.expr, subject: str, advice: str) -> TypeSchema:
        message = f"{subject} has the type {_shortened(node)}, which no schema can be made of"
        self._add(node, message, advice, ProblemKind.TYPE)
        return TypeSchema({})

    def _add(self, node: ast.AST, message: str, hint: str, kind: ProblemKind = ProblemKind.VALUE) -> None:
        line, column = getattr(node, "lineno", None), getattr(node, "col_offset", None)
        problem = Problem(line, message, hint, kind, column)
        if problem not in self.problems:
            self.problems.append(problem)


def _aliased(value: ast.expr) -> ast.expr:
    """What an alias stands for: the expression itself, or T of NewType("Name", T)."""
    match value:
        case ast.Call(func=ast.Name(id="NewType") | ast.Attribute(attr="NewType"), args=[_, original]):
            return original
        case _:
            return value


def _alternatives(node: ast.expr) -> Iterator[ast.expr]:
    """A | B | C as A, B, C."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _alternatives(node.left)
        yield from _alternatives(node.right)
    else:
        yield node


def _choices(values: list[Any]) -> dict[str, Any]:
    """An enum of constants, with its type where they share one."""
    if values and all(isinstance(value, str) for value in values):
        return {"type": "string", "enum": values}
    if values and all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return {"type": "integer", "enum": values}
    return {"enum": values}


def _advice(name: str) -> str:
    last = name.split(".")[-1]
    if last in _ADVICE:
        return _ADVICE[last]
    if last in _LIST_LIKE:
        return "Write list[T] and convert it within the function."
    if last in _DICT_LIKE:
        return "Write dict for an object of any content, or a pydantic model that names its fields."
    if last in _TEXT_LIKE:
        return "Write str, say the form in the description, and convert it within the function."
    if last in _TUPLES:
        return "Write the type of each place, for example tuple[float, float], or list[T]."
    return f"Write a type such as str, int or list[str], or define {last} as a pydantic model in this source."


def _shortened(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 80 else f"{text[:80]}…"
