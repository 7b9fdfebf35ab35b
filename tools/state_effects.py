"""Side effects on state that outlives a call within the process: globals, module attributes, os.environ, defaults."""

import ast
from collections.abc import Iterator

from tools.effects import Effect, EffectKind
from tools.names import Names, dotted

_MUTATORS = {
    *("append", "extend", "insert", "remove", "pop", "popitem", "clear", "sort", "reverse", "update", "setdefault"),
    *("add", "discard", "appendleft", "popleft", "extendleft", "intersection_update", "difference_update"),
}
_MUTABLE_MAKERS = {"list", "dict", "set", "bytearray", "collections.deque", "collections.defaultdict"}
_MUTABLE_MAKERS |= {"collections.Counter", "collections.OrderedDict", "deque", "defaultdict", "Counter", "OrderedDict"}

_Function = ast.FunctionDef | ast.AsyncFunctionDef
Placed = tuple[int, Effect]


def effects_on_state(module: ast.Module, names: Names) -> Iterator[Placed]:
    """Line and effect of each statement that changes state which another call could see."""
    shared = set(_module_mutables(module, names))
    owners = _declared_names(module) | names.imports.keys()
    for node in ast.walk(module):
        for target in _changed_targets(node):
            yield from _attribute_effects(target, names, owners)
        if isinstance(node, _Function):
            yield from _function_effects(node, shared, names)


def _module_mutables(module: ast.Module, names: Names) -> Iterator[str]:
    """Names at the top level that hold something that can be changed in place."""
    for node in module.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ) if _is_mutable(value, names):
                yield name


def _is_mutable(value: ast.expr, names: Names) -> bool:
    if isinstance(value, ast.Call):
        return names.of_call(value) in _MUTABLE_MAKERS
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _function_effects(function: _Function, shared: set[str], names: Names) -> Iterator[Placed]:
    own = set(_local_names(function))
    declared = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    defaults = set(_mutable_defaults(function, names))
    visible = (shared - (own - declared)) | declared
    for node in _own_statements(function):
        for name in _rebound(node) & declared:
            yield node.lineno, Effect(EffectKind.GLOBALS, f"Changes the global name '{name}'")
        for name in _changed_in_place(node):
            if name in visible:
                yield node.lineno, Effect(EffectKind.GLOBALS, f"Changes '{name}', which belongs to the whole module")
            elif name in defaults:
                what = f"Changes '{name}', whose default value is shared by all calls"
                yield node.lineno, Effect(EffectKind.GLOBALS, what)


def _own_statements(function: _Function) -> Iterator[ast.expr | ast.stmt]:
    """What is within the function, but not within functions in it, which are looked at on their own."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr | ast.stmt):
            yield node
        if not isinstance(node, _Function):
            waiting.extend(ast.iter_child_nodes(node))


def _local_names(function: _Function) -> Iterator[str]:
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        yield argument.arg
    for node in _own_statements(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _mutable_defaults(function: _Function, names: Names) -> Iterator[str]:
    positional = [*function.args.posonlyargs, *function.args.args]
    defaults = function.args.defaults
    for argument, default in zip(positional[len(positional) - len(defaults) :], defaults, strict=True):
        if _is_mutable(default, names):
            yield argument.arg


def _rebound(node: ast.AST) -> set[str]:
    return {target.id for target in _changed_targets(node) if isinstance(target, ast.Name)}


def _changed_targets(node: ast.AST) -> list[ast.expr]:
    """What a statement assigns to or deletes, tuples taken apart."""
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return [part for target in targets for part in _parts(target)]
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
            return list(_parts(target))
        case _:
            return []


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for item in target.elts:
            yield from _parts(item)
    else:
        yield target


def _changed_in_place(node: ast.AST) -> set[str]:
    """Names whose value the node changes without binding the name anew: x.append(1), x[0] = 1, del x[0]."""
    changed = {root for target in _changed_targets(node) if (root := _subscripted_name(target))}
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in _MUTATORS:
            changed.add(name)
    return changed


def _subscripted_name(target: ast.expr) -> str:
    """x of x[...], x[...][...]; "" for a target that is no item."""
    node = target
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) and node is not target else ""


def _attribute_effects(target: ast.expr, names: Names, owners: set[str]) -> Iterator[Placed]:
    """os.environ["X"] = ..., and attributes set on an imported module or on a class or function of the source."""
    if isinstance(target, ast.Subscript) and dotted(target.value, names.imports) == "os.environ":
        yield target.lineno, Effect(EffectKind.ENVIRONMENT, "Changes environment variables with os.environ")
    elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        owner = target.value.id
        if owner in owners:
            what = f"Sets '{owner}.{target.attr}', which belongs to the whole process"
            yield target.lineno, Effect(EffectKind.GLOBALS, what)


def _declared_names(module: ast.Module) -> set[str]:
    return {
        node.name for node in module.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    }
