"""The facts of a run's log, one class per event type (rule 7.2). The log is the truth; all else is drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import TypeAdapter

from engine.specs import Mode, Outcome, RunStatus, StopReason
from llms.types import FinishReason, Usage


@dataclass(frozen=True, slots=True)
class InputMessage:
    """One message that the run was started with."""

    role: str
    text: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A worker took the run. `attempt` is 1, and higher where another worker goes on after a crash."""

    type: ClassVar[str] = "run.started"
    agent_id: str
    agent_name: str
    model: str
    attempt: int = 1
    resumes_run_id: str | None = None
    messages: tuple[InputMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelRequested:
    """The model is being asked. `parallel` is the effective flag, `reason` its one sentence (rule 1.3).

    `returns` are the ids of the calls whose returns join the history with this request, as they stand in it: the
    batch before, in the model's order (rule 3.6). `estimated_tokens` is the request's size as `engine.tokens` counts.
    """

    type: ClassVar[str] = "model.requested"
    step_id: str
    step_index: int
    model: str
    message_count: int
    tools: tuple[str, ...]
    parallel: bool
    sends_parallel: bool
    reason: str
    forced_tools: tuple[str, ...] = ()
    returns: tuple[str, ...] = ()
    estimated_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ModelRetried:
    """The model is asked again; viewers drop the deltas of this step when `discards_deltas`."""

    type: ClassVar[str] = "model.retried"
    step_id: str
    attempt: int
    reason: str
    wait_seconds: float
    discards_deltas: bool = True


@dataclass(frozen=True, slots=True)
class RespondedCall:
    """A call as the model asked for it; `id` is ours, `provider_id` what the provider sent."""

    id: str
    provider_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ModelResponded:
    """The model's complete answer."""

    type: ClassVar[str] = "model.responded"
    step_id: str
    message_id: str
    finish: FinishReason
    text: str
    reasoning: str
    reasoning_signature: str
    calls: tuple[RespondedCall, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class PlannedCallFact:
    """A call's place in the plan and why it is there."""

    id: str
    name: str
    index: int
    mode: Mode
    reason: str


@dataclass(frozen=True, slots=True)
class PhaseFact:
    """The calls that run together, phase by phase from 0."""

    index: int
    mode: Mode
    calls: tuple[PlannedCallFact, ...]


@dataclass(frozen=True, slots=True)
class BatchPlanned:
    """The plan of a batch, made with the switches as they were then (rule 2.5)."""

    type: ClassVar[str] = "batch.planned"
    step_id: str
    parallel: bool
    reason: str
    phases: tuple[PhaseFact, ...]


@dataclass(frozen=True, slots=True)
class CallQueued:
    """A call is ready and waits for its phase."""

    type: ClassVar[str] = "call.queued"
    step_id: str
    call_id: str
    name: str
    phase: int


@dataclass(frozen=True, slots=True)
class CallWaiting:
    """A call's phase has begun but something it needs is taken; `reason` says what (rule 3.3)."""

    type: ClassVar[str] = "call.waiting"
    step_id: str
    call_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call runs now. Written before it does."""

    type: ClassVar[str] = "call.started"
    step_id: str
    call_id: str
    attempt: int


@dataclass(frozen=True, slots=True)
class CallOutput:
    """What a running call printed."""

    type: ClassVar[str] = "call.output"
    call_id: str
    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call has ended, once and for all (rule 3.5). `has_full_text` where `text` was cut."""

    type: ClassVar[str] = "call.ended"
    step_id: str
    call_id: str
    outcome: Outcome
    text: str
    attempt: int = 0
    has_full_text: bool = False
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """Nothing of the batch runs until each of these calls is decided (rule 5.1). `client_ids` are those among them that
    whoever sent the message runs itself."""

    type: ClassVar[str] = "approval.requested"
    step_id: str
    call_ids: tuple[str, ...]
    client_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """One decision, as it was taken. `is_returned` where the client ran the call itself and sent its return."""

    call_id: str
    is_approved: bool
    reason: str = ""
    is_returned: bool = False


@dataclass(frozen=True, slots=True)
class ApprovalDecided:
    """The held calls have been decided; this run carries the decision out (rule 5.2)."""

    type: ClassVar[str] = "approval.decided"
    step_id: str
    decisions: tuple[DecisionFact, ...]
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class ContextCompacted:
    """Older messages have left the context window; `summary` stands there in their place. They stay in the history.

    `first_kept` is the id of the oldest message that stays, "" where none does. `trigger` says why: "context_window"
    (they would soon not fit), "context_window_exceeded" (the provider said that they do not fit) or "requested".
    `error` says why they could not be summarised, "" where they were: then `summary` only says that they are missing.
    Counts are of messages with the system prompt, and of tokens as `engine.tokens` estimates them.
    """

    type: ClassVar[str] = "context.compacted"
    message_id: str
    summary: str
    first_kept: str
    trigger: str
    messages_before: int
    messages_after: int
    tokens_before: int
    tokens_after: int
    context_window: int
    model: str
    usage: Usage = field(default_factory=Usage)
    error: str = ""


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over; nothing follows in its log. `returns` as in `ModelRequested`, where the run ends after a batch."""

    type: ClassVar[str] = "run.ended"
    status: RunStatus
    stop_reason: StopReason
    steps: int
    usage: Usage = field(default_factory=Usage)
    error: str = ""
    returns: tuple[str, ...] = ()


Event = (
    RunStarted
    | ModelRequested
    | ModelRetried
    | ModelResponded
    | BatchPlanned
    | CallQueued
    | CallWaiting
    | CallStarted
    | CallOutput
    | CallEnded
    | ApprovalRequested
    | ApprovalDecided
    | ContextCompacted
    | RunEnded
)

EVENT_TYPES: Mapping[str, type[Event]] = {
    event.type: event
    for event in (
        RunStarted,
        ModelRequested,
        ModelRetried,
        ModelResponded,
        BatchPlanned,
        CallQueued,
        CallWaiting,
        CallStarted,
        CallOutput,
        CallEnded,
        ApprovalRequested,
        ApprovalDecided,
        ContextCompacted,
        RunEnded,
    )
}


_ADAPTERS: Mapping[str, TypeAdapter[Event]] = {name: TypeAdapter(event) for name, event in EVENT_TYPES.items()}


def dump(event: Event) -> dict[str, Any]:
    """The event's facts as JSON values, without its type."""
    facts: dict[str, Any] = _ADAPTERS[event.type].dump_python(event, mode="json")
    return facts


def load(event_type: str, data: Mapping[str, Any]) -> Event:
    """The event back from its row. Raises KeyError for an unknown type, pydantic.ValidationError for wrong facts."""
    return _ADAPTERS[event_type].validate_python(dict(data))
