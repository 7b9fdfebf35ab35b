"""Runs as OpenTelemetry traces: run > step > question to the model, tool call. Drawn from the events as they are stored.

Times are those of the log, so a trace shows what the run's page shows. A run that another worker goes on with has a
trace for each worker; the attribute `tandem.run.id` brings them together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from engine.events import (
    BatchPlanned,
    CallEnded,
    CallStarted,
    CallWaiting,
    Event,
    ModelRequested,
    ModelResponded,
    ModelRetried,
    RunEnded,
    RunStarted,
)
from engine.specs import Outcome, RunStatus


@dataclass(slots=True)
class _Trace:
    """The open spans of one run."""

    run: Span
    last_at: datetime
    step: Span | None = None
    model: Span | None = None
    calls: dict[str, Span] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


class RunTraces:
    """Observes; see runs.observing.Observer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, _Trace] = {}

    def taken(self, run_id: str, created_at: datetime) -> None:
        """See Observer. The trace begins with the run's first event."""

    def stored(self, run_id: str, at: datetime, event: Event) -> None:
        """See Observer."""
        if isinstance(event, RunStarted):
            self._open[run_id] = _Trace(self._start_run(run_id, at, event), at)
            return
        trace = self._open.get(run_id)
        if trace is None:
            return
        trace.last_at = at
        match event:
            case ModelRequested():
                self._ask(trace, at, event)
            case ModelRetried() if trace.model is not None:
                trace.model.add_event("retry", {"tandem.reason": event.reason}, _nanoseconds(at))
            case ModelResponded():
                _answer(trace, at, event)
            case BatchPlanned():
                trace.names.update({call.id: call.name for phase in event.phases for call in phase.calls})
            case CallWaiting():
                _parent(trace).add_event(
                    "waiting", {"tandem.call.id": event.call_id, "tandem.reason": event.reason}, _nanoseconds(at)
                )
            case CallStarted():
                self._start_call(trace, at, event)
            case CallEnded():
                _end_call(trace, at, event)
            case RunEnded():
                _end_run(trace, at, event)
                del self._open[run_id]
            case _:
                pass  # has no span

    def left(self, run_id: str) -> None:
        """See Observer. What is still open ends with the last event, as an error: another worker goes on."""
        trace = self._open.pop(run_id, None)
        if trace is not None:
            _close(trace, trace.last_at)
            trace.run.set_status(Status(StatusCode.ERROR, "the worker stopped or lost the run"))
            trace.run.end(_nanoseconds(trace.last_at))

    def _start_run(self, run_id: str, at: datetime, event: RunStarted) -> Span:
        attributes: dict[str, AttributeValue] = {
            "tandem.run.id": run_id,
            "tandem.run.attempt": event.attempt,
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.id": event.agent_id,
            "gen_ai.agent.name": event.agent_name,
            "gen_ai.request.model": event.model,
        }
        if event.resumes_run_id:
            attributes["tandem.run.resumes"] = event.resumes_run_id
        name = f"run {event.agent_name}"
        return self._tracer.start_span(name, attributes=attributes, start_time=_nanoseconds(at))

    def _ask(self, trace: _Trace, at: datetime, event: ModelRequested) -> None:
        _close(trace, at)
        step: dict[str, AttributeValue] = {
            "tandem.step.id": event.step_id,
            "tandem.parallel": event.parallel,
            "tandem.parallel.reason": event.reason,
        }
        trace.step = self._child(trace.run, f"step {event.step_index}", at, step)
        asked: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": event.model,
            "tandem.message_count": event.message_count,
        }
        trace.model = self._child(trace.step, f"chat {event.model}", at, asked, SpanKind.CLIENT)

    def _start_call(self, trace: _Trace, at: datetime, event: CallStarted) -> None:
        name = trace.names.get(event.call_id, "tool")
        attributes: dict[str, AttributeValue] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.call.id": event.call_id,
            "tandem.call.attempt": event.attempt,
        }
        trace.calls[event.call_id] = self._child(_parent(trace), f"execute_tool {name}", at, attributes)

    def _child(
        self,
        parent: Span,
        name: str,
        at: datetime,
        attributes: dict[str, AttributeValue],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> Span:
        context = set_span_in_context(parent)
        return self._tracer.start_span(name, context, kind, attributes, start_time=_nanoseconds(at))


def _parent(trace: _Trace) -> Span:
    """Where a call belongs: its step, or the run where a worker goes on in the middle of a batch."""
    return trace.step or trace.run


def _answer(trace: _Trace, at: datetime, event: ModelResponded) -> None:
    if trace.model is None:
        return
    trace.model.set_attribute("gen_ai.response.finish_reasons", [str(event.finish)])
    trace.model.set_attribute("gen_ai.usage.input_tokens", event.usage.prompt_tokens)
    trace.model.set_attribute("gen_ai.usage.output_tokens", event.usage.completion_tokens)
    trace.model.end(_nanoseconds(at))
    trace.model = None


def _end_call(trace: _Trace, at: datetime, event: CallEnded) -> None:
    span = trace.calls.pop(event.call_id, None)
    if span is None:  # it never started
        return
    span.set_attribute("tandem.call.outcome", event.outcome)
    if event.outcome is not Outcome.SUCCESS:
        span.set_status(Status(StatusCode.ERROR, event.outcome))
    span.end(_nanoseconds(at))


def _end_run(trace: _Trace, at: datetime, event: RunEnded) -> None:
    _close(trace, at)
    trace.run.set_attribute("tandem.run.stop_reason", event.stop_reason)
    if event.status is RunStatus.FAILED:
        trace.run.set_status(Status(StatusCode.ERROR, event.error[:200]))
    trace.run.end(_nanoseconds(at))


def _close(trace: _Trace, at: datetime) -> None:
    """End the step and what is open below it."""
    for span in (*trace.calls.values(), trace.model, trace.step):
        if span is not None:
            span.end(_nanoseconds(at))
    trace.calls.clear()
    trace.model = trace.step = None


def _nanoseconds(at: datetime) -> int:
    # A float of seconds has no room for microseconds after so many years.
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
