"""The built-in tools that an agent gets with its type, and the rules that go with them. Both are Letta's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from engine.rules import ContinueLoop, ExitLoop, RequiresApproval, dump_rule
from tools.built_in import ensure, is_built_in
from tools.models import Tool

StoredRule = dict[str, Any]

USUAL = "letta_v1_agent"
SPEAKING_TOOL = "send_message"
_MEMORY = ("memory_insert", "memory_replace")
_BASE_TOOLS: Mapping[str, tuple[str, ...]] = {
    USUAL: ("conversation_search", *_MEMORY),
    "react_agent": (),
    "workflow_agent": (),
    "memgpt_v2_agent": (SPEAKING_TOOL, "conversation_search", *_MEMORY),
    "sleeptime_agent": (*_MEMORY, "memory_rethink", "memory_finish_edits"),
}
# Agents that speak by a tool.
_OLDER = (SPEAKING_TOOL, "conversation_search", "core_memory_append", "core_memory_replace")
_ENDING = frozenset({SPEAKING_TOOL, "memory_finish_edits"})
_GOING_ON = frozenset({name for names in (*_BASE_TOOLS.values(), _OLDER) for name in names} - _ENDING)


def base_tool_names(agent_type: str) -> tuple[str, ...]:
    """Which built-in tools an agent of this type gets by default; a type that is not known here is an older one."""
    return _BASE_TOOLS.get(agent_type, _OLDER)


def base_tools(agent_type: str) -> list[Tool]:
    """The same as rows of the library, added to it where they are missing."""
    names = base_tool_names(agent_type)
    by_name = {tool.name: tool for tool in ensure(names)}
    return [by_name[name] for name in names if name in by_name]


def speaks_by_tool(agent_type: str) -> bool:
    """Whether what agents of this type say to people are calls of send_message."""
    return SPEAKING_TOOL in base_tool_names(agent_type)


def base_rules(
    agent_type: str, tools: Iterable[Tool], sent: Sequence[StoredRule], wanted: bool | None
) -> list[StoredRule]:
    """The rules that the agent's base tools bring, beside those that were `sent`.

    `wanted` None leaves it to the type: the usual one has them only where other rules were sent. Approvals are not
    counted there: with them alone an agent's calls run in parallel (rule 1.1), and these rules would end that.
    """
    has_rules = any(rule["type"] != RequiresApproval.type for rule in sent)
    if wanted is False or (wanted is None and agent_type == USUAL and not has_rules):
        return []
    ruled = {rule["tool_name"] for rule in sent if rule["type"] in (ExitLoop.type, ContinueLoop.type)}
    own = base_tool_names(agent_type)
    names = [tool.name for tool in tools if is_built_in(tool) or tool.name in own]
    rules = [_rule(name) for name in names if name in _ENDING | _GOING_ON and name not in ruled]
    return [dump_rule(rule) for rule in rules]


def _rule(name: str) -> ExitLoop | ContinueLoop:
    return ExitLoop(name) if name in _ENDING else ContinueLoop(name)
