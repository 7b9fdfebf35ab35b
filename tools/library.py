"""The library of tools: here and only here a tool is made, changed and deleted, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain, save_changes
from sandbox.requirements import RequirementProblem, Requirements, read_json, read_npm_json
from tools.built_in import is_built_in
from tools.models import Tool, ToolType
from tools.problems import Problem, SourceError
from tools.remote_names import is_remote, step_aside
from tools.source import ToolSource, read_source
from tools.typescript import TYPESCRIPT, schema_of

# What may be said about a tool besides its source. Its name is always that of the function.
CHANGEABLE = frozenset(
    {
        "description",
        "source_code",
        "source_type",
        "json_schema",
        "args_json_schema",
        "tags",
        "enable_parallel_execution",
        "default_requires_approval",
        "return_char_limit",
        "timeout_seconds",
        "max_concurrency",
        "lock_group",
        "safe_to_retry",
        "network",
        "pip_requirements",
        "npm_requirements",
        "metadata",
    }
)
_SHAPES_THE_SCHEMA = frozenset({"source_code", "source_type", "json_schema", "args_json_schema", "description"})
# What of a built-in tool comes with the server.
_BUILT_IN = _SHAPES_THE_SCHEMA | {"pip_requirements", "npm_requirements"}

# Told the old and the new name in the same transaction, whenever a tool is renamed.
RENAME_FOLLOWERS: list[Callable[[str, str], None]] = []


class ToolProblem(ValueError):
    """A tool that cannot be as it was asked for. The text is for a person; `problems` name lines of the source."""

    def __init__(self, text: str, problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(text)
        self.problems = problems


class NameTaken(ToolProblem):
    """Another tool already has the name of this function."""


class SchemaMissing(ToolProblem):
    """A TypeScript tool without the json_schema that it needs."""


def create_tool(actor: Actor, *, source_code: str, fields: Mapping[str, Any]) -> Tool:
    """A new tool. Raises NameTaken where its function's name is in use, ToolProblem for everything else. The name of a
    built-in tool is not in use: that tool becomes this one; that of an MCP server's tool is given up by it."""
    given = {**fields, "source_code": source_code}
    derived = _derive(given, before=None)
    try:
        with transaction.atomic():
            taken = Tool.objects.select_for_update().filter(name=derived["name"]).first()
            if taken is not None and is_built_in(taken):
                return _take_over(actor, taken, {**given, **derived})
            if taken is not None and not _makes_room(actor, taken):
                raise _name_taken(derived["name"])
            return _insert(actor, {**given, **derived})
    except IntegrityError as error:  # somebody else was a moment earlier
        raise _name_taken(derived["name"]) from error


def draft_tool(*, source_code: str, fields: Mapping[str, Any]) -> Tool:
    """The tool that `create_tool` would make, stored nowhere; its name may be in use. Raises ToolProblem."""
    given = {**fields, "source_code": source_code}
    tool = Tool()
    assign(tool, _known({**given, **_derive(given, before=None)}))
    _check(partial(tool.full_clean, validate_unique=False))
    return tool


def upsert_tool(actor: Actor, *, source_code: str, fields: Mapping[str, Any]) -> tuple[Tool, bool]:
    """The tool that the source's function names, made or changed; True where it was made. Unsent fields stay."""
    given = {**fields, "source_code": source_code}
    derived = _derive(given, before=None)
    with transaction.atomic():
        tool = Tool.objects.select_for_update().filter(name=derived["name"]).first()
        if tool is not None and is_built_in(tool):
            return _take_over(actor, tool, {**given, **derived}), False
        if tool is not None and not _makes_room(actor, tool):
            return _change(actor, tool, {**given, **derived}), False
        try:
            with transaction.atomic():
                return _insert(actor, {**given, **derived}), True
        except IntegrityError:  # somebody else was a moment earlier
            made = Tool.objects.select_for_update().get(name=derived["name"])
            return _change(actor, made, {**given, **derived}), False


def change_tool(actor: Actor, tool: Tool, changes: Mapping[str, Any]) -> Tool:
    """The tool with only these fields changed; new source gives a new schema, and maybe a new name.

    Works on the tool as it is stored now, never on what the caller holds. Raises ToolProblem, and Tool.DoesNotExist
    where it has been deleted meanwhile.
    """
    with transaction.atomic():
        stored = Tool.objects.select_for_update().get(pk=tool.pk)
        if is_built_in(stored) or is_remote(stored):
            return _change(actor, stored, _of_operator(stored, changes))
        derived = _derive(changes, before=stored) if _SHAPES_THE_SCHEMA & changes.keys() else {}
        name = derived.get("name", stored.name)
        if name != stored.name and Tool.objects.filter(name=name).exists():
            raise _name_taken(name)
        return _change(actor, stored, {**changes, **derived})


def delete_tool(actor: Actor, tool: Tool) -> None:
    """The tool is gone, and detached from every agent. What it did stays in the runs. Raises ToolProblem for a
    built-in tool; somebody's own tool of such a name makes room for the built-in one, at the next start."""
    if is_built_in(tool):
        raise ToolProblem(
            f"{tool.name} is built in and cannot be deleted. Detach it from the agents that should not have it."
        )
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=tool.pk, target_name=tool.name)
        tool.delete()


def _take_over(actor: Actor, built_in: Tool, given: Mapping[str, Any]) -> Tool:
    """Somebody's own tool wins over the built-in one of its name: same row, so that agents which had that have this.
    Nothing of the built-in one's switches is left, least of all that it may run in parallel."""
    fresh = Tool()
    before = built_in.tool_type
    for name in CHANGEABLE:
        setattr(built_in, name, getattr(fresh, name))
    assign(built_in, _known(given))
    built_in.tool_type = ToolType.CUSTOM
    _check(built_in.full_clean)
    built_in.save()
    changes = {"tool_type": [before, ToolType.CUSTOM.value]}
    activity.note(actor, "changed", target_id=built_in.pk, target_name=built_in.name, changes=changes)
    return built_in


def _makes_room(actor: Actor, tool: Tool) -> bool:
    """Whether the name is free now: a tool of an MCP server gives way to somebody's own, under another name."""
    if not is_remote(tool):
        return False
    old_name, name = step_aside(tool)
    for follow in RENAME_FOLLOWERS:
        follow(old_name, name)
    activity.note(actor, "changed", target_id=tool.pk, target_name=name, changes={"name": [old_name, name]})
    return True


def _of_operator(tool: Tool, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What of these changes is an operator's to make of a tool that has no source here. Raises ToolProblem where another
    is among them."""
    fixed = [
        name for name in sorted(changes.keys() & _BUILT_IN) if (changes[name] or None) != (getattr(tool, name) or None)
    ]
    if any(changes[name] is not None for name in fixed) and is_remote(tool):
        raise ToolProblem(
            f"{tool.name} is a tool of an MCP server, which says what its {', '.join(fixed)} is. Its switches, limits and "
            "tags can be changed."
        )
    if any(changes[name] is not None for name in fixed):
        raise ToolProblem(
            f"{tool.name} is built in: its {', '.join(fixed)} cannot be changed. Its switches, limits and tags can; a "
            f"tool of your own called {tool.name} takes its place."
        )
    allowed = {name: value for name, value in changes.items() if name not in _BUILT_IN}
    if "metadata" in allowed and is_remote(tool):
        allowed["metadata"] = {**(allowed["metadata"] or {}), "mcp": (tool.metadata or {}).get("mcp")}
    return allowed


def _name_taken(name: str) -> NameTaken:
    return NameTaken(f"There is already a tool called {name}. Name the function differently.")


def _insert(actor: Actor, given: Mapping[str, Any]) -> Tool:
    tool = Tool()
    assign(tool, _known(given))
    _check(tool.full_clean)
    tool.save(force_insert=True)
    activity.note(actor, "created", target_id=tool.pk, target_name=tool.name)
    return tool


def _change(actor: Actor, tool: Tool, given: Mapping[str, Any]) -> Tool:
    old_name = tool.name
    changes = assign(tool, _known(given))
    if not changes:
        return tool
    _check(lambda: save_changes(tool, changes))
    if tool.name != old_name:
        for follow in RENAME_FOLLOWERS:
            follow(old_name, tool.name)
    activity.note(actor, "changed", target_id=tool.pk, target_name=tool.name, changes=changes)
    return tool


def _check(step: Callable[[], None]) -> None:
    try:
        step()
    except ValidationError as error:
        raise ToolProblem(explain(error)) from error


def _known(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields, `name` being the source's. Raises ToolProblem for a field that no tool has."""
    unknown = given.keys() - CHANGEABLE - {"name"}
    if unknown:
        raise ToolProblem(f"A tool has no field {', '.join(sorted(unknown))}.")
    return dict(given) | {
        field: _checked_packages(field, given[field], read)
        for field, read in (("pip_requirements", read_json), ("npm_requirements", read_npm_json))
        if given.get(field) is not None
    }


def _checked_packages(
    field: str, asked: list[Mapping[str, Any]], read: Callable[[list[Mapping[str, Any]]], Requirements]
) -> list[dict[str, str | None]]:
    try:
        return [one.as_json() for one in read(asked)]
    except RequirementProblem as problem:
        raise ToolProblem(f"{field}: {problem}") from problem


def _derive(given: Mapping[str, Any], before: Tool | None) -> dict[str, Any]:
    """Name, description and schema that the given fields lead to; `before` is the tool that they change, if any."""
    source_type = given.get("source_type") or (before.source_type if before else "python")
    if source_type not in ("python", "json", TYPESCRIPT):
        raise ToolProblem(f"Tools are written in Python or TypeScript; source_type {source_type!r} does not run here.")
    wanted = given.get("json_schema") or {}
    if source_type == TYPESCRIPT:
        return _derive_typescript(given, before, wanted)
    source = _read(given, before, wanted)
    name = str(wanted.get("name") or source.name)
    if name != source.name:
        raise ToolProblem(
            f"json_schema is called {name!r}, but the function is called {source.name!r}: make them agree."
        )
    is_new_text = before is None or given.get("source_code") is not None
    kept = "" if is_new_text or before is None else before.description
    description = given.get("description") or wanted.get("description") or kept or source.description
    return {
        "name": source.name,
        "source_type": "python",
        "description": description,
        "json_schema": {**source.json_schema, "description": description},
    }


def _derive_typescript(given: Mapping[str, Any], before: Tool | None, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The same for TypeScript, whose schema is what was sent, now or before."""
    source = given.get("source_code")
    if source is None:
        source = before.source_code if before else ""
    told = {**(before.json_schema if before else {}), **wanted}
    if given.get("args_json_schema"):
        told["parameters"] = given["args_json_schema"]
    if given.get("description"):
        told["description"] = given["description"]
    try:
        schema = schema_of(source, told)
    except SourceError as error:
        raise SchemaMissing(str(error), error.problems) from error
    return {
        "name": schema["name"],
        "source_type": TYPESCRIPT,
        "description": schema["description"],
        "json_schema": schema,
    }


def _read(given: Mapping[str, Any], before: Tool | None, wanted: Mapping[str, Any]) -> ToolSource:
    """The source as it will be. A schema that was sent stands instead of the signature's; so does one sent earlier."""
    code = given.get("source_code")
    arguments = given.get("args_json_schema") or wanted.get("parameters")
    if before is not None:
        code = before.source_code if code is None else code
        if arguments is None and "args_json_schema" not in given:
            arguments = before.args_json_schema
        if arguments is None and given.get("source_code") is None:
            arguments = before.parameters
    try:
        return read_source(code or "", arguments)
    except SourceError as error:
        raise ToolProblem(str(error), error.problems) from error
