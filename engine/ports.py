"""What the engine is handed by whoever runs it: a recorder, a way to call tools, the agent as it is now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from engine.events import Event
from engine.plan import PlannedCall
from engine.specs import AgentSpec, ToolResult, ToolSpec
from llms.types import ModelDelta

OnOutput = Callable[[str, str], None]
"""Told what a running call prints: the stream ("stdout" or "stderr") and a piece of text."""

CallTool = Callable[[PlannedCall, OnOutput], Awaitable[ToolResult]]
"""Run one call. Failures are results; only cancellation is raised."""

LoadAgent = Callable[[], Awaitable[AgentSpec]]
"""The agent with its switches as they are now (rule 2.5)."""


class Recorder(Protocol):
    """The one writer of a run's log."""

    async def record(self, *events: Event, results: tuple[ToolResult, ...] = ()) -> None:
        """Write these events, in this order; when it returns they are stored. `results` carries the texts that are
        too long for an event. Raises if this worker has lost the run."""
        ...

    def output(self, call_id: str, stream: str, text: str) -> None:
        """Note a piece of a call's output; stored soon, and always before the call's end."""
        ...

    def delta(self, step_id: str, delta: ModelDelta) -> None:
        """Note a piece of the model's answer; stored soon, apart from the log."""
        ...


@dataclass(frozen=True, slots=True)
class Need:
    """What a call needs before it starts: room for its tool. `owner` is the agent it runs for; owners take turns."""

    call_id: str
    tool: ToolSpec
    owner: str = ""


class Permits(Protocol):
    """Caps and lock groups (rule 3.3)."""

    async def acquire(self, need: Need, on_wait: Callable[[str], Awaitable[None]]) -> None:
        """Take all that the call needs at once; tell `on_wait` why when it has to wait."""
        ...

    def release(self, need: Need) -> None:
        """Give all of it back."""
        ...
