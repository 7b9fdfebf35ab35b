"""The numbers of the runs that this process executes, counted from the events as they are stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from weakref import WeakSet

from prometheus_client import Counter, Histogram

from engine.events import (
    BatchPlanned,
    CallEnded,
    CallQueued,
    CallStarted,
    Event,
    ModelRequested,
    ModelResponded,
    ModelRetried,
    RunEnded,
    RunStarted,
)
from engine.specs import Outcome
from runs.models import ToolCall
from runs.summary import summarise

_LONG = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNSEEN = "unknown"

RUNS_ENDED = Counter("tandem_runs_ended", "Runs that ended here", ["status", "stop_reason"])
RUNS_TAKEN_OVER = Counter("tandem_runs_taken_over", "Runs that went on here after another worker had left them")
RUN_QUEUE_SECONDS = Histogram("tandem_run_queue_seconds", "From a run's creation to its start", buckets=_SHORT)
RUN_SECONDS = Histogram("tandem_run_seconds", "From a run's start here to its end", ["status"], buckets=_LONG)
CALL_SECONDS = Histogram(
    "tandem_tool_call_seconds", "Duration of tool calls that ran", ["tool", "outcome"], buckets=_LONG
)
CALLS_ENDED = Counter("tandem_tool_calls", "Tool calls that ended, run or not", ["tool", "outcome"])
CALL_QUEUE_SECONDS = Histogram(
    "tandem_tool_call_queue_seconds", "From a call's planning to its start", ["tool"], buckets=_SHORT
)
BATCH_WALL = Counter("tandem_batch_wall_seconds", "Wall time of batches, from the first call queued to the last end")
BATCH_WORK = Counter("tandem_batch_work_seconds", "Sum of the durations of the calls of the same batches")
SAVED = Counter("tandem_saved_seconds", "What running calls together saved: work minus wall, where above zero")
MODEL_SECONDS = Histogram(
    "tandem_model_request_seconds", "From asking the model to its answer, retries included", ["model"], buckets=_LONG
)
MODEL_REQUESTS = Counter("tandem_model_requests", "Questions to the model, retries not counted", ["model"])
MODEL_RETRIES = Counter("tandem_model_retries", "Times that a model was asked again", ["model"])
MODEL_TOKENS = Counter("tandem_model_tokens", "Tokens as the provider reported them", ["model", "kind"])
EVENT_LAG = Histogram(
    "tandem_event_lag_seconds", "From an event's time to its handing to a viewer who follows live", buckets=_SHORT
)


@dataclass(slots=True)
class _Asked:
    """A question to the model that has no answer yet."""

    model: str
    at: datetime


@dataclass(slots=True)
class _RunState:
    """What must be remembered of a run while it is executed here. `calls` are rows that are never saved."""

    created_at: datetime
    started_at: datetime | None = None
    offered: set[str] = field(default_factory=set)
    asked: dict[str, _Asked] = field(default_factory=dict)
    calls: dict[str, ToolCall] = field(default_factory=dict)


class RunMetrics:
    """Observes; see runs.observing.Observer."""

    def __init__(self) -> None:
        self._runs: dict[str, _RunState] = {}
        _all.add(self)

    @property
    def run_count(self) -> int:
        """Runs under way in this process."""
        return len(self._runs)

    def taken(self, run_id: str, created_at: datetime) -> None:
        """See Observer."""
        self._runs[run_id] = _RunState(created_at)

    def stored(self, run_id: str, at: datetime, event: Event) -> None:
        """See Observer."""
        state = self._runs.get(run_id)
        if state is None:
            return
        match event:
            case RunStarted():
                _start(state, at, event)
            case ModelRequested():
                _close_batch(state)
                state.asked[event.step_id] = _Asked(event.model, at)
                state.offered.update(event.tools)
                MODEL_REQUESTS.labels(event.model).inc()
            case ModelRetried():
                if asked := state.asked.get(event.step_id):
                    MODEL_RETRIES.labels(asked.model).inc()
            case ModelResponded():
                _answer(state, at, event)
            case BatchPlanned():
                _plan(state, event)
            case CallQueued():
                _call(state, event.call_id).queued_at = at
            case CallStarted():
                _start_call(state, at, event)
            case CallEnded():
                _end_call(state, at, event)
            case RunEnded():
                _close_batch(state)
                _end(state, at, event)
            case _:
                pass  # tells no number

    def left(self, run_id: str) -> None:
        """See Observer."""
        self._runs.pop(run_id, None)


_all: WeakSet[RunMetrics] = WeakSet()


def runs_under_way() -> int:
    """How many runs this process executes now."""
    return sum(metrics.run_count for metrics in _all)


def note_lag(written_at: datetime, now: datetime) -> None:
    """An event has been handed to a viewer who follows live."""
    EVENT_LAG.observe(max(0.0, (now - written_at).total_seconds()))


def _start(state: _RunState, at: datetime, event: RunStarted) -> None:
    state.started_at = at
    if event.attempt == 1:
        RUN_QUEUE_SECONDS.observe(max(0.0, (at - state.created_at).total_seconds()))
    else:
        RUNS_TAKEN_OVER.inc()


def _answer(state: _RunState, at: datetime, event: ModelResponded) -> None:
    asked = state.asked.pop(event.step_id, None)
    if asked is None:
        return
    MODEL_SECONDS.labels(asked.model).observe((at - asked.at).total_seconds())
    usage = event.usage
    for kind, count in (
        ("prompt", usage.prompt_tokens),
        ("completion", usage.completion_tokens),
        ("cached_input", usage.cached_input_tokens),
        ("reasoning", usage.reasoning_tokens),
    ):
        MODEL_TOKENS.labels(asked.model, kind).inc(count)


def _plan(state: _RunState, event: BatchPlanned) -> None:
    """The plan names every call of its batch, also those that ended before another worker took over."""
    for phase in event.phases:
        for planned in phase.calls:
            call = _call(state, planned.id)
            call.name, call.step_id = planned.name, event.step_id


def _call(state: _RunState, call_id: str) -> ToolCall:
    return state.calls.setdefault(call_id, ToolCall(pk=call_id, name=UNSEEN))


def _start_call(state: _RunState, at: datetime, event: CallStarted) -> None:
    call = _call(state, event.call_id)
    call.started_at = at
    if call.queued_at is not None:
        CALL_QUEUE_SECONDS.labels(call.name).observe((at - call.queued_at).total_seconds())


def _end_call(state: _RunState, at: datetime, event: CallEnded) -> None:
    call = _call(state, event.call_id)
    call.ended_at = at
    CALLS_ENDED.labels(_label(state, call, event.outcome), event.outcome).inc()
    if call.started_at is not None:
        CALL_SECONDS.labels(call.name, event.outcome).observe((at - call.started_at).total_seconds())


def _label(state: _RunState, call: ToolCall, outcome: Outcome) -> str:
    """The tool's name where it is a tool's. What a model makes up would fill the memory with labels."""
    has_run = call.started_at is not None or outcome is Outcome.INTERRUPTED
    return call.name if has_run or call.name in state.offered else UNSEEN


def _close_batch(state: _RunState) -> None:
    calls, state.calls = state.calls, {}
    totals = summarise(call for call in calls.values() if call.step_id)
    BATCH_WALL.inc(max(0.0, totals.wall))
    BATCH_WORK.inc(totals.work)
    SAVED.inc(max(0.0, totals.saved))


def _end(state: _RunState, at: datetime, event: RunEnded) -> None:
    RUNS_ENDED.labels(event.status, event.stop_reason).inc()
    if state.started_at is not None:
        RUN_SECONDS.labels(event.status).observe((at - state.started_at).total_seconds())
