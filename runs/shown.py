"""What the templates are given: frozen, with every text, number and bar already decided."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString

from runs.picture import RunPicture
from runs.picture_parts import CallPicture, StepPicture
from runs.timeline import Axis, Bar, Mark


@dataclass(frozen=True, slots=True)
class CallView:
    """A call as its row, its details and its bar need it. The first ten fields are those of components/call.html."""

    id: str
    name: str
    state: str
    mode: str
    arguments_preview: str
    arguments: str
    why: str
    started_at: datetime | None
    duration_ms: float | None
    return_preview: str
    result: str
    output: SafeString
    step_id: str
    order: str
    number: int
    label: str
    timing: list[tuple[str, str]]
    bars: list[Bar]
    mark: Mark | None
    is_critical: bool
    is_failed: bool
    needs_decision: bool
    picture: CallPicture


@dataclass(frozen=True, slots=True)
class PhaseView:
    """A phase with its calls in the model's order; `mode` is "" before the plan is made."""

    key: str
    step_id: str
    index: int
    number: int
    mode: str
    count: int
    meta: str
    state: str
    title: str
    band: Bar | None
    calls: list[CallView]
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class StepView:
    """A step: what the model said, and its batch."""

    id: str
    index: int
    number: int
    text: SafeString
    reasoning: SafeString
    is_streaming: bool
    is_silent: bool
    batch_title: str
    decision_title: str
    batch_state: str
    batch_meta: str
    model_bars: list[Bar]
    mark: Mark | None
    model_ms: float | None
    model_state: str
    phases: list[PhaseView]
    picture: StepPicture


@dataclass(frozen=True, slots=True)
class PendingView:
    """A call that waits for a decision; `choice` ("approve", "deny" or "") and `reason` are what a person has entered."""

    call: CallView
    choice: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run's header, and the ways to its parts."""

    picture: RunPicture
    axis: Axis
    state: str
    tally: str
    call_count: int
    ended_count: int
    saved: str
    has_saved: bool
    elapsed_ms: float | None
    steps: list[StepView]
    pending: list[PendingView]
    error_tone: str
    origin_ms: int
    now_ms: int
