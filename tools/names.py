"""What the names of a source stand for, as far as reading tells: imports, what a variable was made by, its text."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tools.declarations import read_imports

MAX_TEXT = 10_000

_IN_MEMORY = {":memory:", ""}


@dataclass(frozen=True, slots=True)
class Names:
    """`makers` maps a variable to what is called to make it, `texts` to the text it holds where that is written out."""

    imports: Mapping[str, str]
    makers: Mapping[str, str]
    texts: Mapping[str, str]
    has_only_memory_databases: bool

    def of_call(self, call: ast.Call) -> str:
        """The dotted name that is called, import aliases resolved: "requests.post"; "" if it is not a plain name."""
        return dotted(call.func, self.imports)

    def type_of(self, node: ast.expr) -> str:
        """The class or function that made the value: "pathlib.Path" for Path("a"), Path("a") / "b" or a variable of it."""
        match node:
            case ast.Call():
                return _class_of(self.of_call(node))
            case ast.Name(id=name):
                return self.makers.get(name, "")
            case ast.BinOp(op=ast.Div(), left=left, right=right):
                return next((made for side in (left, right) if (made := self.type_of(side)) == "pathlib.Path"), "")
            case ast.Attribute(value=value, attr="parent") if self.type_of(value) == "pathlib.Path":
                return "pathlib.Path"
            case _:
                return ""

    def text_of(self, node: ast.expr) -> str:
        """A text as far as it is written out: literals, f-strings with ? for what is filled in, sums, known variables.

        At most MAX_TEXT characters, so that texts made of each other stay small.
        """
        return self._text_of(node)[:MAX_TEXT]

    def _text_of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.JoinedStr(values=parts):
                return "".join(self.text_of(part) or "?" for part in parts)
            case ast.BinOp(op=ast.Add() | ast.Mod(), left=left, right=right):
                return self.text_of(left) + (self.text_of(right) if isinstance(node.op, ast.Add) else "")
            case ast.Call(func=ast.Attribute(value=value, attr="format" | "strip")):
                return self.text_of(value)
            case (
                ast.Call(func=ast.Name(id="text"), args=[inner])
                | ast.Call(func=ast.Attribute(attr="text"), args=[inner])
            ):
                return self.text_of(inner)  # SQLAlchemy's text("...")
            case ast.Name(id=name):
                return self.texts.get(name, "")
            case _:
                return ""


def dotted(node: ast.expr, imports: Mapping[str, str]) -> str:
    """A.b.c of names and attributes with the first name's import resolved; "" for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([imports.get(node.id, node.id), *reversed(parts)])


def read_names(module: ast.Module) -> Names:
    """Collect the names of the whole source; scopes are not told apart, a variable's last maker counts."""
    imports = dict(read_imports(module))
    bare = Names(imports, {}, {}, has_only_memory_databases=False)
    makers: dict[str, str] = {}
    texts: dict[str, str] = {}
    for name, value in _bindings(module):
        known = Names(imports, makers, texts, has_only_memory_databases=False)
        makers[name] = known.type_of(value)
        texts[name] = known.text_of(value)
    return Names(imports, makers, texts, _has_only_memory_databases(module, bare))


def _bindings(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names with the expression they are bound to: assignments, `with ... as name`, and annotated parameters' types."""
    for node in ast.walk(module):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=name)):
                yield name, value


def _has_only_memory_databases(module: ast.Module, names: Names) -> bool:
    opened = [node for node in ast.walk(module) if isinstance(node, ast.Call) and _opens_database(node, names)]
    return bool(opened) and all(_is_memory_database(call) for call in opened)


def _opens_database(call: ast.Call, names: Names) -> bool:
    return names.of_call(call).rsplit(".", 1)[-1] in {"connect", "create_engine", "create_async_engine"}


def _is_memory_database(call: ast.Call) -> bool:
    target = call.args[0] if call.args else None
    return isinstance(target, ast.Constant) and target.value in _IN_MEMORY


def _class_of(called: str) -> str:
    """pathlib.Path.home() and the like make paths too."""
    return "pathlib.Path" if called.startswith("pathlib.Path") else called
