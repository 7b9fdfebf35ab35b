"""Fakes that ship: a recorder that keeps the log in memory, and tools that do what the test says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from engine.events import CallOutput, Event, dump
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from engine.story import LogRow
from llms.types import ModelDelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class WorkerDied(Exception):
    """The recorder refuses to write: this worker is no more."""


@dataclass
class MemoryRecorder:
    """Keeps the rows of a chain of runs, each a millisecond after the one before.

    It lets others run while it writes, as a database does. `dies_at` is the number of rows after which every write
    raises WorkerDied, as if the worker had been killed. `on_event` is told each event as it is written.
    """

    run_id: str = "run-1"
    rows: list[LogRow] = field(default_factory=list)
    dies_at: int | None = None
    on_event: Callable[[Event], None] = lambda event: None
    deltas: list[tuple[str, ModelDelta]] = field(default_factory=list)

    async def record(self, *events: Event, results: tuple[ToolResult, ...] = ()) -> None:
        """Write all of these or, where the worker died before, none."""
        await asyncio.sleep(0)
        if self.dies_at is not None and len(self.rows) + len(events) > self.dies_at:
            raise WorkerDied
        for event in events:
            self._write(event)
        await asyncio.sleep(0)

    def output(self, call_id: str, stream: str, text: str) -> None:
        """Written at once, so always before the call's end."""
        if self.dies_at is None or len(self.rows) < self.dies_at:
            self._write(CallOutput(call_id, stream, text))

    def delta(self, step_id: str, delta: ModelDelta) -> None:
        """Kept apart from the log."""
        self.deltas.append((step_id, delta))

    def _write(self, event: Event) -> None:
        seq = self._next_seq()
        at = START + timedelta(milliseconds=len(self.rows))
        self.rows.append(LogRow(self.run_id, seq, event.type, at, dump(event)))
        self.on_event(event)

    def _next_seq(self) -> int:
        if self.rows and self.rows[-1].run_id == self.run_id:
            return self.rows[-1].seq + 1
        return 1 + sum(row.run_id == self.run_id for row in self.rows)

    def phases(self) -> list[list[str]]:
        """The names of the calls of each phase of the last plan."""
        plan = [row for row in self.rows if row.type == "batch.planned"][-1]
        return [[call["name"] for call in phase["calls"]] for phase in plan.data["phases"]]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a fake call does: print, take `turns` turns of the event loop, end as `outcome` with `text`."""

    outcome: Outcome = Outcome.SUCCESS
    text: str = "done"
    turns: int = 1
    prints: str = ""


@dataclass
class FakeToolbox:
    """Runs calls that do as `behave` says and notes who ran with whom.

    `together` are the names of the calls that ran at the moment each call started, that call included; `ran` the ids in
    the order of their starts.
    """

    behave: Callable[[PlannedCall], Behaviour] = lambda planned: Behaviour()
    ran: list[str] = field(default_factory=list)
    together: list[Counter[str]] = field(default_factory=list)
    _running: Counter[str] = field(default_factory=Counter)

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        """Run one call."""
        behaviour = self.behave(planned)
        self.ran.append(planned.call.id)
        self._running[planned.call.name] += 1
        self.together.append(+self._running)
        try:
            if behaviour.prints:
                on_output("stdout", behaviour.prints)
            for _ in range(behaviour.turns):
                await asyncio.sleep(0)
        finally:
            self._running[planned.call.name] -= 1
        return ToolResult(planned.call.id, behaviour.outcome, behaviour.text, stdout=behaviour.prints)

    def most_together(self, names: Sequence[str]) -> int:
        """How many calls of these tools ran at once at most."""
        return max((sum(running[name] for name in names) for running in self.together), default=0)
