"""What the tool templates say in words."""

from __future__ import annotations

from typing import TypedDict

from django import template

from tools.hints import Hints, hints_of
from tools.models import Tool

register = template.Library()


class SwitchWords(TypedDict):
    label: str
    help: str


_SWITCHES: dict[str, SwitchWords] = {
    "enable_parallel_execution": {
        "label": "Enable parallel execution",
        "help": "Its calls run together with other parallel-enabled calls of the same batch, after the sequential ones.",
    },
    "default_requires_approval": {
        "label": "Requires approval by default",
        "help": "Agents that attach it from now on ask a person before each call.",
    },
    "safe_to_retry": {
        "label": "Safe to retry",
        "help": "A call that was running when a worker died is run again instead of being reported as interrupted.",
    },
}


@register.filter
def switch_words(field: str) -> SwitchWords:
    """Label and help of one of a tool's switches."""
    return _SWITCHES[field]


@register.filter
def server_hints(tool: Tool) -> Hints | None:
    """What the MCP server of the tool says about it."""
    return hints_of(tool)


@register.filter
def value_of(tool: Tool, field: str) -> bool:
    """Whether that switch of the tool is on."""
    return bool(getattr(tool, field))
