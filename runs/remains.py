"""The log of a run whose log has been pruned, as far as its rows still tell it.

For pages only: it has no output as it came, no waiting and no retries, and nobody is to judge a run by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby

from django.utils import timezone

from engine.events import (
    ApprovalDecided,
    ApprovalRequested,
    BatchPlanned,
    CallEnded,
    CallQueued,
    CallStarted,
    DecisionFact,
    Event,
    InputMessage,
    ModelRequested,
    ModelResponded,
    PhaseFact,
    PlannedCallFact,
    RespondedCall,
    RunEnded,
    RunStarted,
    dump,
)
from engine.specs import Mode, Outcome, RunStatus, StopReason
from llms.types import FinishReason, Usage
from runs.contents import content_text
from runs.models import Message, Run, RunEvent, Step, ToolCall

Fact = tuple[datetime, Event]


def remains(run: Run) -> list[RunEvent]:
    """Rows that are never saved, numbered anew from 1."""
    facts = list(_facts(run))
    return [
        RunEvent(run_id=run.pk, seq=seq, type=event.type, at=at, data=dump(event))
        for seq, (at, event) in enumerate(facts, start=1)
    ]


def _facts(run: Run) -> Iterator[Fact]:
    begun = run.started_at or run.created_at
    messages = list(Message.objects.filter(run=run).order_by("position", "created_at"))
    calls = list(ToolCall.objects.filter(run=run).order_by("step__index", "index"))
    own_steps = list(Step.objects.filter(run=run).order_by("index"))
    yield begun, _started(run, messages)
    carried = [call for call in calls if call.step_id not in {step.pk for step in own_steps}]
    if run.decisions and carried:
        yield begun, _decided(run, carried)
    yield from _batch(carried, begun)
    answers = {message.step_id: message for message in messages if message.role == "assistant" and message.step_id}
    for step in own_steps:
        yield step.created_at, _asked(step)
        if (answer := answers.get(step.pk)) is not None and step.responded_at is not None:
            yield step.responded_at, _responded(step, answer)
            yield from _batch([call for call in calls if call.step_id == step.pk], step.responded_at)
    if run.stop_reason == StopReason.REQUIRES_APPROVAL and own_steps:
        held = ToolCall.objects.filter(step=own_steps[-1], needs_approval=True).order_by("index")
        call_ids = tuple(held.values_list("pk", flat=True))
        yield run.ended_at or begun, ApprovalRequested(own_steps[-1].pk, call_ids)
    if run.is_ended:
        yield run.ended_at or timezone.now(), _ended(run)


def _started(run: Run, messages: Iterable[Message]) -> RunStarted:
    given = tuple(
        InputMessage(message.role, content_text(message.content), message.pk)
        for message in messages
        if message.role in ("user", "system", "assistant") and message.step_id is None
    )
    agent = run.agent
    return RunStarted(agent.pk, agent.name, agent.model, max(run.epoch, 1), run.resumes_run_id, given)


def _decided(run: Run, carried: list[ToolCall]) -> ApprovalDecided:
    facts = tuple(
        DecisionFact(item["call_id"], item["approve"], item["reason"], is_returned="returned" in item)
        for item in run.decisions
    )
    return ApprovalDecided(carried[0].step_id, facts, run.started_by)


def _asked(step: Step) -> ModelRequested:
    return ModelRequested(step.pk, step.index, step.model, 0, (), step.parallel, step.parallel, step.reason)


def _responded(step: Step, answer: Message) -> ModelResponded:
    calls = tuple(
        RespondedCall(call.pk, call.provider_id, call.name, call.arguments) for call in step.calls.order_by("index")
    )
    finish = FinishReason(step.finish_reason) if step.finish_reason else FinishReason.STOP
    text = content_text(answer.content)
    return ModelResponded(
        step.pk, answer.pk, finish, text, answer.reasoning, answer.reasoning_signature, calls, Usage(**step.usage)
    )


def _batch(calls: list[ToolCall], at: datetime) -> Iterator[Fact]:
    """The plan, then what became of its calls, in the order of time."""
    planned = [call for call in calls if call.phase is not None]
    if not planned:
        return
    step = planned[0].step
    yield at, BatchPlanned(step.pk, step.parallel, step.reason, tuple(_phases(planned)))
    yield from sorted((fact for call in planned for fact in _call(call, at)), key=lambda fact: fact[0])


def _phases(planned: list[ToolCall]) -> Iterator[PhaseFact]:
    for number, group in groupby(sorted(planned, key=_phase_of), key=_phase_of):
        calls = tuple(
            PlannedCallFact(call.pk, call.name, call.index, Mode(call.mode), call.reason)
            for call in sorted(group, key=lambda call: call.index)
        )
        yield PhaseFact(number, calls[0].mode, calls)


def _phase_of(call: ToolCall) -> int:
    return call.phase or 0


def _call(call: ToolCall, at: datetime) -> Iterator[Fact]:
    yield call.queued_at or at, CallQueued(call.step_id, call.pk, call.name, _phase_of(call))
    if call.started_at is not None:
        yield call.started_at, CallStarted(call.step_id, call.pk, call.attempt)
    if call.is_ended:
        yield (
            call.ended_at or at,
            CallEnded(
                call.step_id,
                call.pk,
                Outcome(call.state),
                call.text,
                call.attempt,
                bool(call.full_text),
                call.stdout,
                call.stderr,
            ),
        )


def _ended(run: Run) -> RunEnded:
    stop_reason = StopReason(run.stop_reason) if run.stop_reason else StopReason.END_TURN
    return RunEnded(RunStatus(run.status), stop_reason, run.step_count, Usage(**run.usage), run.error)
