"""Ends a run that was cancelled or that failed: every open call is told what became of it (rule 6.1)."""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import CallEnded, Event, RunEnded
from engine.planner import denial_text
from engine.specs import CallState, Decision, Outcome, StopReason, status_for
from llms.types import Usage
from runs.models import Run, ToolCall
from runs.takeover import open_batch


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run is ended from outside."""

    stop_reason: StopReason
    error: str
    outcome: Outcome
    running_text: str
    waiting_text: str


CANCELLED = Ending(
    StopReason.CANCELLED,
    "",
    Outcome.CANCELLED,
    "Cancelled while it was running; it may or may not have taken effect.",
    "Cancelled before it started; it had no effect.",
)


def failed(error: str) -> Ending:
    """The ending of a run that Tandem itself could not go on with."""
    return Ending(
        StopReason.ERROR,
        error,
        Outcome.INTERRUPTED,
        "Interrupted while it was running: the run failed. It may or may not have taken effect.",
        "Not started: the run failed before it.",
    )


def ending_events(run_id: str, ending: Ending) -> tuple[Event, ...]:
    """What is to be recorded so that the run is over and its history has a return for every call."""
    run = Run.objects.get(pk=run_id)
    batch = open_batch(run)
    calls = list(ToolCall.objects.filter(step_id=batch.step_id).order_by("index")) if batch else []
    denied = {decision.call_id: decision for decision in (batch.decisions if batch else ()) if not decision.is_approved}
    events: list[Event] = [_end(call, ending, denied.get(call.pk)) for call in calls if not call.is_ended]
    usage = sum((Usage(**step.usage) for step in run.steps.exclude(usage={})), Usage())
    steps = run.steps.filter(responded_at__isnull=False).count()
    returns = tuple(call.pk for call in calls)
    stop_reason = ending.stop_reason
    events.append(RunEnded(status_for(stop_reason), stop_reason, steps, usage, ending.error, returns))
    return tuple(events)


def _end(call: ToolCall, ending: Ending, denial: Decision | None) -> CallEnded:
    if denial is not None:
        return CallEnded(call.step_id, call.pk, Outcome.DENIED, denial_text(denial.reason), call.attempt)
    was_running = call.state == CallState.RUNNING
    text = ending.running_text if was_running else ending.waiting_text
    outcome = ending.outcome if was_running else Outcome.CANCELLED  # only a call that ran can be interrupted
    return CallEnded(call.step_id, call.pk, outcome, text, call.attempt)
