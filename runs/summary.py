"""A run's totals, as its row keeps them for lists: seconds of wall time and of work over all batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from runs.models import ToolCall


@dataclass(frozen=True, slots=True)
class Totals:
    """Seconds: `wall` that the batches took, `work` that their calls took one by one, `saved` the difference."""

    wall: float = 0.0
    work: float = 0.0

    @property
    def saved(self) -> float:
        return self.work - self.wall


def summarise(calls: Iterable[ToolCall]) -> Totals:
    """The totals of calls, taken batch by batch; calls that never started count for nothing."""
    wall = work = 0.0
    started = (call for call in calls if call.started_at and call.ended_at)
    for _, group in groupby(sorted(started, key=lambda call: call.step_id), key=lambda call: call.step_id):
        batch = list(group)
        first = min(call.queued_at or call.started_at for call in batch if call.started_at)
        last = max(call.ended_at for call in batch if call.ended_at)
        wall += (last - first).total_seconds()
        work += sum(
            (call.ended_at - call.started_at).total_seconds() for call in batch if call.ended_at and call.started_at
        )
    return Totals(wall, work)
