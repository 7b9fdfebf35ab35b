"""The log of a chain of linked runs, read row by row into what was asked, planned and done.

It reads raw rows and knows nothing of the planner or the executor, so that what it says is a second opinion. A field
that is missing reads as empty: a damaged log is for the checker to judge, not a reason to stop reading it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of a run's log. `seq` counts from 1 in each run, `data` is the event's facts as JSON values."""

    run_id: str
    seq: int
    type: str
    at: datetime
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mark:
    """A row and its place in the whole chain, from 0."""

    place: int
    row: LogRow

    @property
    def at(self) -> datetime:
        return self.row.at

    def text(self, key: str) -> str:
        value = self.row.data.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        value = self.row.data.get(key)
        return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """A phase as the log has it: each call with its mode."""

    mode: str
    calls: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class LoggedPlan:
    """One `batch.planned` row. A batch has more than one after a crash."""

    mark: Mark
    is_parallel: bool
    phases: tuple[PlannedPhase, ...]

    def call_ids(self) -> Iterator[str]:
        for phase in self.phases:
            for call_id, _mode in phase.calls:
                yield call_id

    def phase_of(self) -> dict[str, int]:
        return {call_id: index for index, phase in enumerate(self.phases) for call_id, _mode in phase.calls}


@dataclass(slots=True)
class LoggedCall:
    """All that the log tells about one call. `asked` is the `model.responded` row, None if no model asked for it."""

    id: str
    name: str
    asked: Mark | None = None
    rows: list[Mark] = field(default_factory=list)

    def _of(self, event_type: str) -> list[Mark]:
        return [mark for mark in self.rows if mark.row.type == event_type]

    @property
    def queued(self) -> list[Mark]:
        return self._of("call.queued")

    @property
    def started(self) -> list[Mark]:
        return self._of("call.started")

    @property
    def ended(self) -> list[Mark]:
        return self._of("call.ended")


@dataclass(slots=True)
class LoggedBatch:
    """The calls of one response, in the model's order, and the plans made for them.

    `is_void` where the response was stopped by length or filter: none of its calls may run (rule 3.9). `was_held`
    where it waited for a person's decision, `is_decided` once that has been taken (section 5).
    """

    step_id: str
    asked: Mark
    calls: tuple[LoggedCall, ...]
    is_void: bool
    plans: list[LoggedPlan] = field(default_factory=list)
    was_held: bool = False
    is_decided: bool = False


@dataclass(slots=True)
class Story:
    """The whole chain. `takeovers` are the places where a worker took a run, also after another one died;
    `run_by_clients` the ids of calls whose returns came with the decision."""

    marks: tuple[Mark, ...]
    batches: list[LoggedBatch] = field(default_factory=list)
    calls: dict[str, LoggedCall] = field(default_factory=dict)
    repeated: list[LoggedCall] = field(default_factory=list)
    takeovers: list[int] = field(default_factory=list)
    run_by_clients: set[str] = field(default_factory=set)

    @property
    def last(self) -> LogRow | None:
        return self.marks[-1].row if self.marks else None

    def is_taken_over_between(self, first: Mark, second: Mark) -> bool:
        return any(first.place < place < second.place for place in self.takeovers)

    def batch_of(self, step_id: str) -> LoggedBatch | None:
        return next((batch for batch in reversed(self.batches) if batch.step_id == step_id), None)


def read(rows: Sequence[LogRow]) -> Story:
    """The story of these rows: runs in the order of the chain, each run's rows in the order of `seq`."""
    story = Story(tuple(Mark(place, row) for place, row in enumerate(rows)))
    for mark in story.marks:
        match mark.row.type:
            case "run.started":
                story.takeovers.append(mark.place)
            case "model.responded":
                _read_response(story, mark)
            case "batch.planned":
                _read_plan(story, mark)
            case "approval.requested" | "approval.decided":
                _read_approval(story, mark)
            case "call.queued" | "call.waiting" | "call.started" | "call.output" | "call.ended":
                call_id = mark.text("call_id")
                call = story.calls.setdefault(call_id, LoggedCall(call_id, mark.text("name") or call_id))
                call.rows.append(mark)
            case _:
                pass
    return story


def _read_response(story: Story, mark: Mark) -> None:
    calls = []
    for entry in _entries(mark.row.data, "calls"):
        call_id = str(entry.get("id", ""))
        call = LoggedCall(call_id, str(entry.get("name", "")), mark)
        if call_id in story.calls:
            story.repeated.append(call)
        calls.append(story.calls.setdefault(call_id, call))
    if calls:
        is_void = mark.text("finish") in {"length", "filter"}
        story.batches.append(LoggedBatch(mark.text("step_id"), mark, tuple(calls), is_void))


def _read_plan(story: Story, mark: Mark) -> None:
    phases = tuple(
        PlannedPhase(
            str(phase.get("mode", "")),
            tuple((str(call.get("id", "")), str(call.get("mode", ""))) for call in _entries(phase, "calls")),
        )
        for phase in _entries(mark.row.data, "phases")
    )
    batch = story.batch_of(mark.text("step_id"))
    if batch is not None:
        batch.plans.append(LoggedPlan(mark, mark.row.data.get("parallel") is True, phases))


def _read_approval(story: Story, mark: Mark) -> None:
    batch = story.batch_of(mark.text("step_id"))
    if batch is not None:
        batch.was_held = True
        batch.is_decided = mark.row.type == "approval.decided"
    returned = (entry for entry in _entries(mark.row.data, "decisions") if entry.get("is_returned") is True)
    story.run_by_clients |= {str(entry.get("call_id", "")) for entry in returned}


def ids_in(mark: Mark, key: str) -> tuple[str, ...]:
    """A row's list of ids."""
    value = mark.row.data.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


def _entries(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = data.get(key)
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []
