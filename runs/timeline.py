"""The geometry of the timeline: moments as milliseconds since the run's start, and as percent of the axis.

`static/js/run-timeline.js` only re-reads `data-from` and `data-to` in milliseconds when the axis grows; where a bar
begins and ends is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import count

from engine.specs import CallState
from runs.picture_parts import CallPicture, PhasePicture, StepPicture

SPANS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
"""Axis lengths, times a power of ten: a tenth of each is a number that reads well."""
TICKS = 10
LEAST_PERCENT = 0.25
"""Narrower bars could not be seen."""
LEAST_SPAN = 100.0
"""Milliseconds: a run that has only just begun has an axis as well."""
_HEIGHTS = {"queued": 16.0, "wait": 36.0, "run": 52.0, "model": 30.0, "band": 100.0}
_ROOM_UP_TO = 0.72


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a row. `kind` is queued, wait, run, model or band; an open one still grows. Times are milliseconds."""

    kind: str
    start: int
    end: int
    x: str
    width: str
    is_open: bool = False

    @property
    def y(self) -> str:
        return f"{50 - _HEIGHTS[self.kind] / 2:g}%"

    @property
    def height(self) -> str:
        return f"{_HEIGHTS[self.kind]:g}%"


@dataclass(frozen=True, slots=True)
class Mark:
    """A text beside a bar: behind its end, or before its beginning where there is no room behind."""

    text: str
    x: str
    anchor: str
    dx: int


@dataclass(frozen=True, slots=True)
class Tick:
    """One mark of the axis at a tenth of it."""

    x: str
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """From `origin` on, `span` milliseconds, as known at `now`."""

    origin: datetime
    span: int
    now: datetime

    def offset(self, at: datetime) -> int:
        return max(0, round((at - self.origin).total_seconds() * 1000))

    def bar(self, kind: str, start: datetime | None, end: datetime | None) -> Bar | None:
        """None where it has not begun or has no length."""
        if start is None or start == end:
            return None
        first, last = self.offset(start), self.offset(end or self.now)
        width = max(LEAST_PERCENT, 100 * (last - first) / self.span)
        return Bar(kind, first, last, f"{100 * first / self.span:.4f}%", f"{width:.4f}%", end is None)

    def mark(self, text: str, bars: list[Bar], *, is_reason: bool = False) -> Mark | None:
        """Where a row's text stands. A reason is long: where there is little room behind, it stands on its bar."""
        if not bars or not text:
            return None
        if is_reason and bars[-1].end > self.span / 2:
            return Mark(text, f"{100 * bars[-1].end / self.span:.4f}%", "end", -7)
        first, last = bars[0].start, bars[-1].end
        is_before = last > _ROOM_UP_TO * self.span and first > (1 - _ROOM_UP_TO) * self.span
        at = first if is_before else last
        return Mark(text, f"{100 * at / self.span:.4f}%", "end" if is_before else "start", -7 if is_before else 7)

    @property
    def ticks(self) -> list[Tick]:
        tenth = self.span / 1000 / TICKS
        return [Tick(f"{100 * number / TICKS:g}%", tick_text(tenth * number)) for number in range(TICKS + 1)]

    @property
    def now_percent(self) -> str:
        return f"{100 * self.offset(self.now) / self.span:.4f}%"


def axis(origin: datetime, end: datetime) -> Axis:
    """The axis from `origin` that has room up to `end`."""
    needed = max(LEAST_SPAN, (end - origin).total_seconds() * 1000)
    spans = (round(1000 * span * 10**power) / 100 for power in count() for span in SPANS)
    return Axis(origin, round(next(span for span in spans if span >= needed)), end)


def tick_text(seconds: float) -> str:
    """Seconds as an axis shows them: "0", "250 ms", "1.5 s", "2:30"."""
    if seconds == 0:
        return "0"
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds < 120:
        return f"{seconds:g} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def call_bars(call: CallPicture, on: Axis) -> list[Bar]:
    """Up to three parts: ready and waiting for its phase, its phase has begun but something is taken, running."""
    turn = call.waiting_at or call.started_at or call.ended_at
    is_ready = call.state in {CallState.QUEUED, CallState.HELD}
    parts = [
        on.bar("queued", call.queued_at, turn) if turn or is_ready else None,
        on.bar("wait", call.waiting_at, call.started_at or call.ended_at),
        on.bar("run", call.started_at, call.ended_at),
    ]
    return [part for part in parts if part is not None]


def phase_band(phase: PhasePicture, on: Axis) -> Bar | None:
    """The time in which a phase runs."""
    return on.bar("band", phase.started_at, phase.ended_at)


def model_bar(step: StepPicture, on: Axis, run_ended_at: datetime | None) -> Bar | None:
    """The time in which the model thinks."""
    if step.is_carried_over:
        return None
    return on.bar("model", step.requested_at, step.responded_at or run_ended_at)
