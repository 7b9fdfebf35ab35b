"""The names that a tool's source declares at its top level: imports, classes, type aliases, constants. AST only."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_ENUM_BASES = {"enum.Enum", "enum.IntEnum", "enum.StrEnum"}
_TYPING_MODULES = ("typing.", "typing_extensions.", "builtins.", "collections.abc.")


@dataclass(frozen=True, slots=True)
class Declarations:
    """`imports` maps a local name to what it stands for ("t" to "typing"), `values` a name to its assigned expression."""

    imports: Mapping[str, str]
    classes: Mapping[str, ast.ClassDef]
    values: Mapping[str, ast.expr]

    def qualified(self, node: ast.expr) -> str:
        """The dotted name that an expression stands for, `typing.` left out; empty for anything but a name."""
        match node:
            case ast.Name(id=name):
                full = name if name in self.classes else self.imports.get(name, name)
            case ast.Attribute(value=value, attr=attribute):
                full = f"{self.qualified(value)}.{attribute}"
            case ast.Subscript(value=value):  # a generic base, as in class Page(Generic[T])
                full = self.qualified(value)
            case _:
                return ""
        for module in _TYPING_MODULES:
            full = full.removeprefix(module)
        return full

    def bases(self, declared: ast.ClassDef) -> Iterator[ast.ClassDef]:
        """The class and those it inherits from, as far as they are declared here, nearest first, each once."""
        waiting, seen = [declared], {declared.name}
        while waiting:
            current = waiting.pop(0)
            yield current
            names = [name for base in current.bases if (name := self.qualified(base)) in self.classes]
            waiting += [self.classes[name] for name in names if name not in seen]
            seen.update(names)

    def is_model(self, declared: ast.ClassDef) -> bool:
        """True for pydantic models."""
        return any(name.split(".")[-1] == "BaseModel" for name in self._base_names(declared))

    def is_enum(self, declared: ast.ClassDef) -> bool:
        names = set(self._base_names(declared))
        return bool(names & (_ENUM_BASES | {name.removeprefix("enum.") for name in _ENUM_BASES}))

    def is_string_enum(self, declared: ast.ClassDef) -> bool:
        """True where enum.auto() means the name in lower case."""
        return any(name.split(".")[-1] == "StrEnum" for name in self._base_names(declared))

    def _base_names(self, declared: ast.ClassDef) -> Iterator[str]:
        for current in self.bases(declared):
            yield from (self.qualified(base) for base in current.bases)


def read_declarations(module: ast.Module) -> Declarations:
    """Collect what the module declares. Of names declared twice the last one counts, as when it is run."""
    classes = {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}
    return Declarations(dict(read_imports(module)), classes, dict(_assignments(module)))


def read_imports(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Pairs of a local name and the dotted name it stands for, imports inside functions included."""
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
            case ast.ImportFrom(module=str(origin), names=names):
                yield from ((alias.asname or alias.name, f"{origin}.{alias.name}") for alias in names)


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value


def field_statements(declared: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    """The fields of a model's own body: annotated public names that are not class variables."""
    for node in declared.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                if not name.startswith("_") and name != "model_config" and "ClassVar" not in ast.unparse(annotation):
                    yield name, node


def enum_values(declared: ast.ClassDef, declarations: Declarations) -> Iterator[object]:
    """The values of an enum's members in order, enum.auto() resolved; None for one that is no constant."""
    last: object = 0
    for node in declared.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("_"):
                last = _enum_value(name, value, last, declarations, declarations.is_string_enum(declared))
                yield last


def _enum_value(name: str, value: ast.expr, last: object, declarations: Declarations, is_text: bool) -> object:
    if isinstance(value, ast.Call) and declarations.qualified(value.func) in {"auto", "enum.auto"}:
        return name.lower() if is_text else last + 1 if isinstance(last, int) else None
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None
