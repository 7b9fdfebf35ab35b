"""Logs written by hand, as a run would leave them, for those who read logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.story import LogRow

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class LogWriter:
    """Writes rows one after the other, each `tick` seconds after the one before."""

    run_id: str = "run-1"
    tick: float = 1.0
    rows: list[LogRow] = field(default_factory=list)

    def add(self, event_type: str, **data: Any) -> None:
        last = self.rows[-1] if self.rows else None
        seq = last.seq + 1 if last and last.run_id == self.run_id else 1
        at = last.at + timedelta(seconds=self.tick) if last else NOON
        self.rows.append(LogRow(self.run_id, seq, event_type, at, data))

    def responded(self, *names: str, step: str = "step-1") -> None:
        calls = [{"id": name, "name": name.rstrip("0123456789"), "arguments": "{}"} for name in names]
        self.add("model.responded", step_id=step, finish="tool_calls" if calls else "stop", calls=calls)

    def planned(self, phases: Iterable[tuple[str, Sequence[str]]], *, parallel: bool, step: str = "step-1") -> None:
        facts = [
            {"index": index, "mode": mode, "calls": [{"id": call, "name": call, "mode": mode} for call in calls]}
            for index, (mode, calls) in enumerate(phases)
        ]
        self.add("batch.planned", step_id=step, parallel=parallel, phases=facts)
        for index, (_mode, calls) in enumerate(phases):
            for call in calls:
                self.add("call.queued", step_id=step, call_id=call, phase=index)

    def started(self, call: str, *, attempt: int = 1, step: str = "step-1") -> None:
        self.add("call.started", step_id=step, call_id=call, attempt=attempt)

    def ended(self, call: str, outcome: str = "success", *, attempt: int = 1, step: str = "step-1") -> None:
        self.add("call.ended", step_id=step, call_id=call, outcome=outcome, attempt=attempt)

    def ran(self, call: str, **kwargs: Any) -> None:
        self.started(call, **kwargs)
        self.ended(call, **kwargs)

    def requested(self, *returns: str, step: str = "step-2") -> None:
        self.add("model.requested", step_id=step, returns=list(returns))

    def run_ended(self, stop_reason: str = "end_turn", status: str = "completed", returns: Sequence[str] = ()) -> None:
        self.add("run.ended", status=status, stop_reason=stop_reason, returns=list(returns))


def one_batch(
    phases: Sequence[tuple[str, Sequence[str]]],
    order: Sequence[str],
    *,
    parallel: bool = True,
    finish: Sequence[str] = (),
) -> list[LogRow]:
    """A run of one batch and a last answer. `order` is the model's; parallel calls end in the order of `finish`."""
    log = LogWriter()
    log.add("run.started", attempt=1)
    log.requested(step="step-1")
    log.responded(*order)
    log.planned(phases, parallel=parallel)
    for _mode, calls in phases:
        for call in calls:
            log.started(call)
        for call in sorted(calls, key=lambda name: list(finish or order).index(name)):
            log.ended(call)
    log.requested(*order)
    log.responded(step="step-2")
    log.run_ended()
    return log.rows


def with_approval() -> list[LogRow]:
    """A batch of three, one of which is decided in a second run: approved `risky1`, denied `risky2`."""
    log = LogWriter()
    log.add("run.started", attempt=1)
    log.requested(step="step-1")
    log.responded("risky1", "free", "risky2")
    log.add("approval.requested", step_id="step-1", call_ids=["risky1", "risky2"])
    log.run_ended("requires_approval")
    log.run_id = "run-2"
    log.add("run.started", attempt=1, resumes_run_id="run-1")
    log.add("approval.decided", step_id="step-1", decisions=[])
    log.planned([("sequential", ["risky2"]), ("parallel", ["risky1", "free"])], parallel=True)
    log.ended("risky2", "denied", attempt=0)
    log.started("risky1")
    log.started("free")
    log.ended("free")
    log.ended("risky1")
    log.requested("risky1", "free", "risky2")
    log.responded(step="step-2")
    log.run_ended()
    return log.rows


def with_crash() -> list[LogRow]:
    """The worker dies while `b` and `c` run and `a` has ended; another one finishes the batch with the flag off."""
    log = LogWriter()
    log.add("run.started", attempt=1)
    log.requested(step="step-1")
    log.responded("b", "a", "c")
    log.planned([("sequential", ["a"]), ("parallel", ["b", "c"])], parallel=True)
    log.ran("a")
    log.started("b")
    log.started("c")
    log.add("run.started", attempt=2)
    log.planned([("sequential", ["b"]), ("sequential", ["a"]), ("sequential", ["c"])], parallel=False)
    log.rows[:] = [
        row for row in log.rows if not (row.type == "call.queued" and row.data["call_id"] == "a" and row.seq > 13)
    ]
    log.ended("b", "interrupted", attempt=1)
    log.ran("c", attempt=2)
    log.requested("b", "a", "c")
    log.responded(step="step-2")
    log.run_ended()
    return renumbered(log.rows)


def renumbered(rows: Sequence[LogRow]) -> list[LogRow]:
    """The rows in their order with `seq` and times that hide what was done to them."""
    seqs: dict[str, int] = {}
    fresh = []
    for place, row in enumerate(rows):
        seqs[row.run_id] = seqs.get(row.run_id, 0) + 1
        fresh.append(replace(row, seq=seqs[row.run_id], at=NOON + timedelta(seconds=place)))
    return fresh


def index_of(rows: Sequence[LogRow], event_type: str, call: str = "", nth: int = 0) -> int:
    """Where the nth row of this type, and of this call, stands."""
    found = [i for i, row in enumerate(rows) if row.type == event_type and row.data.get("call_id", "") == call]
    return found[nth]


def changed(rows: Sequence[LogRow], place: int, change: Callable[[dict[str, Any]], None]) -> list[LogRow]:
    """The rows with the data of one of them changed."""
    data = dict(rows[place].data)
    change(data)
    return [*rows[:place], replace(rows[place], data=data), *rows[place + 1 :]]


def without(rows: Sequence[LogRow], place: int) -> list[LogRow]:
    """The rows without one, renumbered."""
    return renumbered([*rows[:place], *rows[place + 1 :]])


def moved(rows: Sequence[LogRow], source: int, target: int) -> list[LogRow]:
    """The rows with one moved to before the row that stands at `target`, renumbered."""
    rest = [*rows[:source], *rows[source + 1 :]]
    place = target if target < source else target - 1
    return renumbered([*rest[:place], rows[source], *rest[place:]])
