"""Tools that come with the server: each is declared and called here by its name; its app registers it in `ready()`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from tools.models import Tool, ToolType
from tools.toolbox import EXECUTORS, Equipment

_MOST_KEPT = 10 << 20
"""Characters of an uncut return that stay downloadable."""


class ToolFault(Exception):
    """A built-in tool cannot do what it was asked; the text tells the model why and what to do."""


@dataclass(frozen=True, slots=True)
class Returned:
    """A return with more to it than its text."""

    text: str
    outcome: Outcome = Outcome.SUCCESS
    stdout: str = ""
    stderr: str = ""


Perform = Callable[[Equipment, Mapping[str, Any], OnOutput], Awaitable[str | Returned]]
"""Carries out one call with checked arguments; gives the return's text. Raises ToolFault."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One tool that comes with the server. `parameters` is the JSON schema of its arguments; `is_parallel` is what its
    switch is when it is added to the library; after that the switch is the operator's. `keeps_time` where `perform` ends
    in the tool's time by itself."""

    name: str
    tool_type: ToolType
    description: str
    parameters: Mapping[str, Any]
    perform: Perform
    is_parallel: bool = False
    keeps_time: bool = False
    tags: tuple[str, ...] = ()

    @property
    def json_schema(self) -> dict[str, Any]:
        """What the model is told of it."""
        return {"name": self.name, "description": self.description, "parameters": dict(self.parameters)}


BUILT_INS: dict[str, BuiltIn] = {}
KINDS = (ToolType.LETTA_CORE, ToolType.LETTA_MEMORY_CORE, ToolType.LETTA_BUILTIN, ToolType.LETTA_FILES_CORE)


def register(tool: BuiltIn) -> None:
    """Add a tool that comes with the server. Names are unique."""
    assert tool.name not in BUILT_INS, tool.name
    BUILT_INS[tool.name] = tool


def is_built_in(tool: Tool) -> bool:
    """Whether it is one of these, and not somebody's own tool of the same name."""
    return tool.tool_type in KINDS


def ensure(names: Iterable[str] | None = None) -> list[Tool]:
    """The rows of these built-in tools, of all without `names`; what is missing is added to the library.

    A row that exists keeps its switches; only what the model is told of it is brought up to date. Where the name is
    that of somebody's own tool, that tool wins: it is returned as it is. Unknown names are left out.
    """
    wanted = [tool for tool in BUILT_INS.values() if names is None or tool.name in set(names)]
    rows = Tool.objects.in_bulk([tool.name for tool in wanted], field_name="name")
    return [_refreshed(rows[tool.name], tool) if tool.name in rows else _added(tool) for tool in wanted]


def _added(built_in: BuiltIn) -> Tool:
    try:
        with transaction.atomic():
            return Tool.objects.create(
                name=built_in.name,
                tool_type=built_in.tool_type,
                description=built_in.description,
                json_schema=built_in.json_schema,
                tags=list(built_in.tags),
                enable_parallel_execution=built_in.is_parallel,
            )
    except IntegrityError:  # another process was a moment earlier
        return Tool.objects.get(name=built_in.name)


def _refreshed(row: Tool, built_in: BuiltIn) -> Tool:
    told = {
        "tool_type": built_in.tool_type,
        "description": built_in.description,
        "json_schema": built_in.json_schema,
    }
    if is_built_in(row) and any(getattr(row, name) != value for name, value in told.items()):
        # Nothing but these columns, and only where it still is ours: somebody may be changing the row just now.
        Tool.objects.filter(pk=row.pk, tool_type__in=KINDS).update(**told)
        row.refresh_from_db()
    return row


async def call_built_in(equipment: Equipment, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
    """A tool that comes with the server: in the server's process, or in the sandbox where it runs somebody's code."""
    tool = BUILT_INS.get(equipment.tool.name)
    if tool is None:
        text = "this built-in tool is no longer part of the server; detach it from the agent"
        return ToolResult(planned.call.id, Outcome.ERROR, _failed(planned, text))
    seconds = equipment.tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT
    try:
        async with asyncio.timeout(None if tool.keeps_time else seconds) as limit:
            returned = await tool.perform(equipment, planned.arguments or {}, on_output)
    except ToolFault as fault:
        return ToolResult(planned.call.id, Outcome.ERROR, _failed(planned, str(fault)))
    except TimeoutError:
        if not limit.expired():
            raise
        return ToolResult(planned.call.id, Outcome.TIMEOUT, _failed(planned, f"timed out after {seconds:g} s"))
    return _result(planned, Returned(returned) if isinstance(returned, str) else returned, equipment.tool)


def _result(planned: PlannedCall, returned: Returned, tool: Tool) -> ToolResult:
    text, limit = returned.text, tool.return_char_limit
    if len(text) > limit:
        text = f"{text[:limit]}... [return cut: {len(text)} characters, the limit is {limit}]"
    return ToolResult(
        planned.call.id,
        returned.outcome,
        text,
        full_text="" if text == returned.text else returned.text[:_MOST_KEPT],
        stdout=returned.stdout,
        stderr=returned.stderr,
    )


def _failed(planned: PlannedCall, why: str) -> str:
    return f"Error executing function {planned.call.name}: {why}"


for _kind in KINDS:
    EXECUTORS[_kind] = call_built_in
