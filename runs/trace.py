"""A run as a Chrome trace: opens in chrome://tracing, Perfetto and speedscope."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runs.picture import RunPicture
from runs.picture_parts import CallPicture, StepPicture

_PROCESS = 1
_MODEL_LANE = 0
_Times = tuple[datetime | None, datetime | None]


def chrome_trace(picture: RunPicture) -> dict[str, Any]:
    """The trace in Chrome's JSON object format; times are microseconds since the run's start."""
    origin = picture.started_at or picture.last_at
    if origin is None:
        return {"traceEvents": [], "displayTimeUnit": "ms"}
    events = [_lane_name(_MODEL_LANE, "model")]
    lane = _MODEL_LANE
    for step in picture.ordered_steps:
        events.extend(_model_span(step, origin))
        for call in sorted(step.calls, key=lambda one: one.order):
            lane += 1
            events.append(_lane_name(lane, f"{step.index + 1}.{call.index + 1} {call.name}"))
            events.extend(_call_spans(call, lane, origin))
    return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": {"run": picture.run_id}}


def _lane_name(lane: int, name: str) -> dict[str, Any]:
    return {"name": "thread_name", "ph": "M", "pid": _PROCESS, "tid": lane, "args": {"name": name}}


def _model_span(step: StepPicture, origin: datetime) -> list[dict[str, Any]]:
    facts = {"step": step.id, "finish": step.finish, "reason": step.parallel_reason}
    return _span(step.model, "model", _MODEL_LANE, (step.requested_at, step.responded_at), origin, facts)


def _call_spans(call: CallPicture, lane: int, origin: datetime) -> list[dict[str, Any]]:
    facts: dict[str, Any] = {"call": call.id, "phase": call.phase, "mode": call.mode or "", "reason": call.reason}
    ran = {**facts, "outcome": str(call.state), "attempt": call.attempt, "arguments": call.arguments}
    turn = call.waiting_at or call.started_at or call.ended_at
    waited: _Times = (call.waiting_at, call.started_at or call.ended_at)
    return [
        *_span("queued", "queued", lane, (call.queued_at, turn), origin, facts),
        *_span(call.waits_for, "waiting", lane, waited, origin, facts),
        *_span(call.name, "call", lane, (call.started_at, call.ended_at), origin, ran),
    ]


def _span(
    name: str, category: str, lane: int, times: _Times, origin: datetime, facts: dict[str, Any]
) -> list[dict[str, Any]]:
    start, end = times
    if start is None or end is None:
        return []
    begin = round((start - origin).total_seconds() * 1e6)
    length = round((end - start).total_seconds() * 1e6)
    place = {"pid": _PROCESS, "tid": lane}
    return [{"name": name, "cat": category, "ph": "X", "ts": begin, "dur": length, **place, "args": facts}]
