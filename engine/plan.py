"""What a plan is: phases of planned calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.specs import Mode, ToolCall, ToolResult, ToolSpec


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call with its mode and the reason for it.

    `result` is set where the call does not run here: refused (rule 2.3), denied, already finished, or run by the client
    (`has_run_elsewhere`). Otherwise `tool` and `arguments` are set.
    """

    call: ToolCall
    mode: Mode
    reason: str
    tool: ToolSpec | None = None
    arguments: Mapping[str, Any] | None = None
    result: ToolResult | None = None
    has_run_elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls that run together. A sequential phase holds exactly one."""

    index: int
    mode: Mode
    calls: tuple[PlannedCall, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All calls of a batch, each in exactly one phase."""

    phases: tuple[Phase, ...]
    is_parallel: bool
    reason: str
