"""Tools that come with the server: each is declared and called here by its name; its app registers it in `ready()`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from tools.models import ToolType
from tools.toolbox import EXECUTORS, Equipment


class ToolFault(Exception):
    """A built-in tool cannot do what it was asked; the text tells the model why and what to do."""


Perform = Callable[[Equipment, Mapping[str, Any], OnOutput], Awaitable[str]]
"""Carries out one call with checked arguments; gives the return's text. Raises ToolFault."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One tool that comes with the server. `parameters` is the JSON schema of its arguments; `is_parallel` is what its
    switch is when it is added to the library; after that the switch is the operator's."""

    name: str
    tool_type: ToolType
    description: str
    parameters: Mapping[str, Any]
    perform: Perform
    is_parallel: bool = False
    tags: tuple[str, ...] = ()


BUILT_INS: dict[str, BuiltIn] = {}


def register(tool: BuiltIn) -> None:
    """Add a tool that comes with the server. Names are unique."""
    assert tool.name not in BUILT_INS, tool.name
    BUILT_INS[tool.name] = tool


async def call_built_in(equipment: Equipment, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
    """A tool that comes with the server: in the server's process, or in the sandbox where it runs somebody's code."""
    tool = BUILT_INS[equipment.tool.name]
    try:
        text = await tool.perform(equipment, planned.arguments or {}, on_output)
    except ToolFault as fault:
        text = f"Error executing function {planned.call.name}: {fault}"
        return ToolResult(planned.call.id, Outcome.ERROR, text)
    limit = equipment.tool.return_char_limit
    if len(text) <= limit:
        return ToolResult(planned.call.id, Outcome.SUCCESS, text)
    note = f"... [return cut: {len(text)} characters, the limit is {limit}]"
    return ToolResult(planned.call.id, Outcome.SUCCESS, text[:limit] + note, full_text=text)


for _kind in (ToolType.LETTA_CORE, ToolType.LETTA_MEMORY_CORE, ToolType.LETTA_BUILTIN, ToolType.LETTA_FILES_CORE):
    EXECUTORS[_kind] = call_built_in
