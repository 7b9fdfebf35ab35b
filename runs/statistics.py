"""How tools have fared: calls, durations, errors. One query for many tools."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from engine.specs import Outcome
from runs.models import ToolCall
from runs.wording import duration_text

MOST_CALLS = 20_000
"""The latest calls that are looked at."""
_FAILURES = {Outcome.ERROR, Outcome.TIMEOUT, Outcome.INTERRUPTED}


@dataclass(frozen=True, slots=True)
class ToolStatistics:
    """Of one tool in the last 24 hours. Times are seconds, None where no call ran; `error_rate` is 0 to 1."""

    name: str
    calls: int = 0
    failed: int = 0
    p50: float | None = None
    p95: float | None = None

    @property
    def error_rate(self) -> float | None:
        return self.failed / self.calls if self.calls else None

    @property
    def p50_text(self) -> str:
        return "–" if self.p50 is None else duration_text(self.p50)

    @property
    def p95_text(self) -> str:
        return "–" if self.p95 is None else duration_text(self.p95)

    @property
    def error_text(self) -> str:
        return "–" if self.error_rate is None else f"{self.error_rate:.1%}".replace(".0%", "%")


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A call that has ended, as the statistics need it."""

    name: str
    outcome: str
    started_at: datetime | None
    ended_at: datetime


def tool_statistics(names: Sequence[str]) -> dict[str, ToolStatistics]:
    """The statistics of these tools, by name; tools without calls have zeros."""
    since = timezone.now() - timedelta(hours=24)
    rows = ToolCall.objects.filter(name__in=names, ended_at__gte=since).order_by("-ended_at")[:MOST_CALLS]
    calls = [
        EndedCall(name, state, started_at, ended_at)
        for name, state, started_at, ended_at in rows.values_list("name", "state", "started_at", "ended_at")
        if ended_at is not None
    ]
    return summarise(names, calls)


def summarise(names: Iterable[str], calls: Iterable[EndedCall]) -> dict[str, ToolStatistics]:
    """Figures per tool. Calls that never started count, but have no duration."""
    found: dict[str, list[EndedCall]] = {name: [] for name in names}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return {name: _of_tool(name, group) for name, group in found.items()}


def _of_tool(name: str, calls: list[EndedCall]) -> ToolStatistics:
    seconds = sorted((call.ended_at - call.started_at).total_seconds() for call in calls if call.started_at)
    failed = sum(call.outcome in _FAILURES for call in calls)
    return ToolStatistics(name, len(calls), failed, percentile(seconds, 0.5), percentile(seconds, 0.95))


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value that this share of the values does not exceed (nearest rank); None of nothing."""
    if not ordered:
        return None
    return ordered[max(1, math.ceil(len(ordered) * share)) - 1]
