"""How long the calls of a run took, and what running them together saved (rule 7.2). Times are seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from engine.story import LoggedBatch, LoggedCall, LoggedPlan, LogRow, Mark, Story, read


@dataclass(frozen=True, slots=True)
class CallTiming:
    """One call. A time is None where it has not come yet; `started` is that of the last attempt.

    `wait` is from queued to started or, for a call that never ran, to its end; `duration` from started to ended, 0 for
    a call that never ran. Both are None while their end is open.
    """

    id: str
    name: str
    phase: int
    mode: str
    queued: datetime | None
    started: datetime | None
    ended: datetime | None
    outcome: str

    @property
    def wait(self) -> float | None:
        return _seconds(self.queued, self.started or self.ended)

    @property
    def duration(self) -> float | None:
        if self.started is None and self.ended is not None:
            return 0.0
        return _seconds(self.started, self.ended)


@dataclass(frozen=True, slots=True)
class BatchTiming:
    """One batch, its calls in the model's order.

    `wall` is from the plan to the last end, None until all calls have ended; `total` the sum of the durations so far.
    `saved` is their difference and is below 0 where the calls took less time than what went on between them: waiting for
    caps and lock groups, writing the log. `critical_path` are the calls whose durations made up the wall: each
    sequential one and the longest of the parallel phase. A batch planned again after a crash is timed from its last plan.
    """

    step_id: str
    is_parallel: bool
    calls: tuple[CallTiming, ...]
    wall: float | None
    total: float
    critical_path: tuple[str, ...]

    @property
    def saved(self) -> float | None:
        return None if self.wall is None else self.total - self.wall


@dataclass(frozen=True, slots=True)
class RunTiming:
    """The batches of a chain of runs and their sums; only batches that have ended count.

    `elapsed` is from the first row of the chain to the last, a person's time to decide included.
    """

    batches: tuple[BatchTiming, ...]
    elapsed: float

    @property
    def wall(self) -> float:
        return sum(batch.wall for batch in self.batches if batch.wall is not None)

    @property
    def total(self) -> float:
        return sum(batch.total for batch in self.batches if batch.wall is not None)

    @property
    def saved(self) -> float:
        return self.total - self.wall


def time_run(rows: Sequence[LogRow]) -> RunTiming:
    """The times of all batches that have been planned, from the rows of a chain as `checker.check` takes them."""
    story = read(rows)
    batches = tuple(_time_batch(story, batch) for batch in story.batches if batch.plans)
    elapsed = (rows[-1].at - rows[0].at).total_seconds() if rows else 0.0
    return RunTiming(batches, elapsed)


def _time_batch(story: Story, batch: LoggedBatch) -> BatchTiming:
    plan = batch.plans[-1]
    calls = tuple(_time_call(story, call, plan) for call in batch.calls)
    ends = [call.ended for call in calls if call.ended is not None]
    is_over = len(ends) == len(calls)
    wall = max(0.0, (max(ends) - plan.mark.at).total_seconds()) if is_over else None
    here = [call for call in calls if call.ended is None or call.ended >= plan.mark.at]
    total = sum(call.duration or 0.0 for call in here)
    return BatchTiming(batch.step_id, plan.is_parallel, calls, wall, total, _critical_path(here))


def _time_call(story: Story, call: LoggedCall, plan: LoggedPlan) -> CallTiming:
    phase = plan.phase_of().get(call.id, 0)
    end = call.ended[0] if call.ended else None
    starts = [mark for mark in call.started if not _is_lost(story, mark, end)]
    return CallTiming(
        id=call.id,
        name=call.name,
        phase=phase,
        mode=plan.phases[phase].mode if phase < len(plan.phases) else "",
        queued=_last_time(call.queued),
        started=_last_time(starts),
        ended=end.at if end else None,
        outcome=end.text("outcome") if end else "",
    )


def _is_lost(story: Story, start: Mark, end: Mark | None) -> bool:
    """Whether the worker that made this start died: nobody knows how long that attempt ran."""
    return any(start.place < place and (end is None or place < end.place) for place in story.takeovers)


def _last_time(marks: Sequence[Mark]) -> datetime | None:
    return marks[-1].at if marks else None


def _critical_path(calls: Sequence[CallTiming]) -> tuple[str, ...]:
    """Of each phase the call that ran longest, in the order of the phases; calls that took no time are left out."""
    longest: dict[int, CallTiming] = {}
    for call in sorted(calls, key=lambda call: call.phase):
        best = longest.get(call.phase)
        if call.duration and (best is None or call.duration > (best.duration or 0.0)):
            longest[call.phase] = call
    return tuple(call.id for call in longest.values())


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return None if start is None or end is None else (end - start).total_seconds()
