"""A run's trace as plain spans, drawn from its log: the run, its steps, the questions to the model, the calls.

The same tree, names and attributes as in runs.traces, which sends them to a collector while the run goes on; these can be
asked for at any time. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from engine.specs import Outcome, RunStatus
from runs.models import Run
from runs.picture import RunPicture
from runs.picture_parts import CallPicture, StepPicture
from runs.reading import picture_of

Span = dict[str, Any]


def spans_of(run: Run, at_most: int) -> list[Span]:
    """The first spans of a run, each behind its parent; one that is still open has no end."""
    picture = picture_of(run)
    if picture.started_at is None:
        return []
    root = _span(run.pk, "", f"run {picture.agent_name}", (picture.started_at, picture.ended_at), run.pk)
    root["attributes"] |= {"tandem.run.stop_reason": picture.stop_reason or "", "gen_ai.agent.id": run.agent_id}
    root["status_code"] = "ERROR" if picture.status is RunStatus.FAILED else "OK"
    return [root, *_steps(run.pk, picture)][:at_most]


def _steps(run_id: str, picture: RunPicture) -> Iterator[Span]:
    for step in picture.ordered_steps:
        ends = [call.ended_at for call in step.calls]
        is_open = step.responded_at is None or None in ends
        end = None if is_open else max(at for at in (step.responded_at, *ends) if at)
        begin = step.requested_at or min((call.started_at for call in step.calls if call.started_at), default=None)
        # The step itself belongs to the run that asked, which this one may be carrying on.
        span = _span(step.id, run_id, f"step {step.index}", (begin, end), run_id)
        span["attributes"] |= {"tandem.step.id": step.id, "tandem.parallel.reason": step.parallel_reason}
        yield span
        if step.requested_at is not None:
            yield _model(run_id, step)
        for call in sorted(step.calls, key=lambda one: one.order):
            if call.started_at is not None:
                yield _call(run_id, call)


def _model(run_id: str, step: StepPicture) -> Span:
    times = (step.requested_at, step.responded_at)
    span = _span(f"{step.id}.model", step.id, f"chat {step.model}", times, run_id)
    span["attributes"] |= {"gen_ai.operation.name": "chat", "gen_ai.request.model": step.model}
    return span


def _call(run_id: str, call: CallPicture) -> Span:
    times = (call.started_at, call.ended_at)
    span = _span(call.id, call.step_id, f"execute_tool {call.name}", times, run_id)
    span["status_code"] = "OK" if call.state is Outcome.SUCCESS or not call.is_ended else "ERROR"
    span["attributes"] |= {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": call.name,
        "gen_ai.tool.call.id": call.id,
        "tandem.call.outcome": str(call.state),
        "tandem.call.phase": call.phase,
        "tandem.call.attempt": call.attempt,
    }
    return span


def _span(span_id: str, parent: str, name: str, times: tuple[datetime | None, datetime | None], run_id: str) -> Span:
    start, end = (_nanoseconds(at) for at in times)
    return {
        "trace_id": run_id,
        "span_id": span_id,
        "parent_span_id": parent or None,
        "span_name": name,
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "duration_ns": end - start if start is not None and end is not None else None,
        "status_code": "OK",
        "attributes": {"tandem.run.id": run_id},
    }


def _nanoseconds(at: datetime | None) -> int | None:
    # A float of seconds has no room for microseconds after so many years.
    return None if at is None else int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1_000
