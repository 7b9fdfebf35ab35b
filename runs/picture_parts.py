"""What a run looks like: its steps, batches, phases and calls, as the event log leaves them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from engine.specs import CallState, Mode, Outcome
from llms.types import Usage

TAIL_LINES = 200
PIECE_CHARACTERS = 20_000
UNPLANNED = -1


class Part(StrEnum):
    """The kinds of things on a page that an event can change."""

    RUN = "run"
    STEP = "step"
    MODEL = "model"
    BATCH = "batch"
    PHASE = "phase"
    CALL = "call"
    OUTPUT = "output"
    END = "end"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that an event changed. `id` is a step's or a call's ("" for the run), `phase` a phase's index."""

    part: Part
    id: str = ""
    phase: int = UNPLANNED


@dataclass(frozen=True, slots=True)
class Piece:
    """What one `call.output` event printed, cut to its last `TAIL_LINES` lines and `PIECE_CHARACTERS` characters."""

    seq: int
    stream: str
    text: str

    @property
    def lines(self) -> int:
        return max(1, self.text.count("\n"))


@dataclass(slots=True)
class OutputTail:
    """The end of what a call printed: whole pieces, the oldest dropped once `TAIL_LINES` lines remain without it.

    The page's own script drops pieces by the same rule, so that a reload shows what the live page shows.
    """

    pieces: deque[Piece] = field(default_factory=deque)
    lines: int = 0
    is_cut: bool = False

    def add(self, seq: int, stream: str, text: str) -> None:
        shown = "".join(text.splitlines(keepends=True)[-TAIL_LINES:])[-PIECE_CHARACTERS:]
        piece = Piece(seq, stream, shown)
        self.is_cut = self.is_cut or len(shown) < len(text)
        self.pieces.append(piece)
        self.lines += piece.lines
        while self.lines - self.pieces[0].lines >= TAIL_LINES:
            self.lines -= self.pieces.popleft().lines
            self.is_cut = True


@dataclass(slots=True)
class CallPicture:
    """One call. Times are those of its events; `started_at` is the latest attempt's. `is_clients`: the client runs it."""

    id: str
    name: str
    step_id: str
    index: int
    arguments: str = ""
    phase: int = UNPLANNED
    mode: Mode | None = None
    reason: str = ""
    state: CallState | Outcome = CallState.QUEUED
    waits_for: str = ""
    attempt: int = 0
    is_critical: bool = False
    needs_decision: bool = False
    is_clients: bool = False
    decision: str = ""
    decision_reason: str = ""
    queued_at: datetime | None = None
    waiting_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    output: OutputTail = field(default_factory=OutputTail)
    text: str = ""
    has_full_text: bool = False

    @property
    def is_ended(self) -> bool:
        return isinstance(self.state, Outcome)

    @property
    def is_failed(self) -> bool:
        return self.state in {Outcome.ERROR, Outcome.TIMEOUT, Outcome.INTERRUPTED, Outcome.DENIED}

    @property
    def order(self) -> tuple[int, int]:
        """Its place among the calls of its step: by phase, then by the model's order. Never by time."""
        return (self.phase, self.index)

    @property
    def seconds(self) -> float | None:
        """How long it ran; None before it has ended, or where it never ran."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at).total_seconds()


@dataclass(slots=True)
class PhasePicture:
    """Calls that run together."""

    step_id: str
    index: int
    mode: Mode | None
    calls: list[CallPicture]
    planned_at: datetime | None = None

    @property
    def started_at(self) -> datetime | None:
        """When its first call began to wait or run."""
        begun = [at for call in self.calls for at in (call.waiting_at, call.started_at) if at]
        return min(begun, default=None)

    @property
    def ended_at(self) -> datetime | None:
        """When its last call ended; None while one has not."""
        if not self.calls or not all(call.ended_at for call in self.calls):
            return None
        return max(call.ended_at for call in self.calls if call.ended_at)

    @property
    def critical_call(self) -> CallPicture | None:
        """The call that made the phase as long as it was, of those that ran under this plan; None until it is known."""
        if self.ended_at is None:
            return None
        ran = [call for call in self.calls if call.seconds and call.ended_at and self._is_since_plan(call.ended_at)]
        return max(ran, key=lambda call: call.seconds or 0.0, default=None)

    def _is_since_plan(self, at: datetime) -> bool:
        return self.planned_at is None or at >= self.planned_at

    @property
    def state(self) -> str:
        if self.ended_at is not None:
            return "error" if any(call.is_failed for call in self.calls) else "success"
        return "running" if self.started_at is not None else "queued"


@dataclass(frozen=True, slots=True)
class RetryPicture:
    """The model was asked again."""

    at: datetime
    attempt: int
    reason: str
    wait_seconds: float


@dataclass(slots=True)
class StepPicture:
    """One answer of the model and its batch. `since_seq` is the event from which on its token deltas count."""

    id: str
    index: int
    model: str = ""
    since_seq: int = 0
    is_carried_over: bool = False
    requested_at: datetime | None = None
    responded_at: datetime | None = None
    parallel: bool = False
    parallel_reason: str = ""
    retries: list[RetryPicture] = field(default_factory=list)
    text: str = ""
    reasoning: str = ""
    finish: str = ""
    usage: Usage = field(default_factory=Usage)
    calls: list[CallPicture] = field(default_factory=list)
    phases: list[PhasePicture] = field(default_factory=list)
    planned_at: datetime | None = None
    plan_parallel: bool = False
    plan_reason: str = ""

    @property
    def is_streaming(self) -> bool:
        return self.responded_at is None and not self.is_carried_over

    @property
    def groups(self) -> list[PhasePicture]:
        """The phases; before the plan is made, all calls as one group without a mode."""
        if self.phases or not self.calls:
            return self.phases
        return [PhasePicture(self.id, UNPLANNED, None, self.calls)]

    @property
    def is_batch_ended(self) -> bool:
        return bool(self.calls) and all(call.is_ended for call in self.calls)

    @property
    def batch_state(self) -> str:
        """One word for the whole batch."""
        states = {call.state for call in self.calls}
        for word in (CallState.HELD, CallState.RUNNING):
            if word in states:
                return word.value
        if not self.is_batch_ended:
            return "running" if any(call.is_ended for call in self.calls) else "queued"
        for outcome in (Outcome.CANCELLED, Outcome.INTERRUPTED, Outcome.ERROR, Outcome.TIMEOUT):
            if outcome in states:
                return outcome.value
        return Outcome.SUCCESS.value

    @property
    def wall_seconds(self) -> float:
        """From the plan to the last end, as `engine.timing` has it; 0 until every call has ended."""
        ends = [call.ended_at for call in self.calls if call.ended_at]
        if self.planned_at is None or not self.is_batch_ended:
            return 0.0
        return max(0.0, (max(ends) - self.planned_at).total_seconds())

    @property
    def work_seconds(self) -> float:
        """The sum of the durations of the calls that have ended since the plan."""
        here = [call for call in self.calls if self.planned_at and call.ended_at and call.ended_at >= self.planned_at]
        return sum(call.seconds or 0.0 for call in here)

    @property
    def saved_seconds(self) -> float:
        """What running together spared: work less wall time (rule 7.2)."""
        return self.work_seconds - self.wall_seconds if self.is_batch_ended else 0.0
