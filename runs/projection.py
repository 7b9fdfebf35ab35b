"""What each fact changes in the rows that pages and API list: drawn from the log in the log's own transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db.models import F, Max
from django.utils import timezone

from agents.base_tools import speaks_by_tool
from engine.events import (
    ApprovalDecided,
    ApprovalRequested,
    BatchPlanned,
    CallEnded,
    CallOutput,
    CallQueued,
    CallStarted,
    CallWaiting,
    ContextCompacted,
    Event,
    ModelRequested,
    ModelResponded,
    ModelRetried,
    RunEnded,
    RunStarted,
)
from engine.ids import new_id
from engine.specs import CallState, Outcome, StopReason, ToolResult
from runs.call_rows import CallRows
from runs.kept_calls import kept_call, kept_return
from runs.models import Message, Run, Step, ToolCall
from runs.summary import summarise

Results = Mapping[str, ToolResult]


def project(run_id: str, rows: Iterable[tuple[datetime, Event]], results: Results) -> None:
    """Apply facts in the order of the log. `results` has the full texts of the calls that end, by call id."""
    calls = CallRows()
    for at, event in rows:
        if not _change_calls(calls, run_id, at, event, results):
            calls.write()  # what follows reads the rows
            _project(run_id, at, event)
    calls.write()


def _change_calls(calls: CallRows, run_id: str, at: datetime, event: Event, results: Results) -> bool:
    """Note what the event changes in rows of calls; False for an event that is about more than those."""
    match event:
        case BatchPlanned():
            for phase in event.phases:
                for call in phase.calls:
                    calls.change(call.id, run_id=run_id, phase=phase.index, mode=call.mode, reason=call.reason)
        case CallQueued():
            calls.change(event.call_id, state=CallState.QUEUED, queued_at=at)
        case CallWaiting():
            calls.change(event.call_id, state=CallState.WAITING, waits_for=event.reason)
        case CallStarted():
            calls.change(event.call_id, state=CallState.RUNNING, started_at=at, attempt=event.attempt)
        case CallEnded():
            result = results.get(event.call_id)
            calls.change(
                event.call_id,
                state=event.outcome,
                text=event.text,
                full_text=result.full_text if result else "",
                stdout=event.stdout,
                stderr=event.stderr,
                attempt=event.attempt,
                ended_at=at,
            )
        case CallOutput() | ModelRetried():
            pass  # told by the log alone
        case _:
            return False
    return True


def _project(run_id: str, at: datetime, event: Event) -> None:
    match event:
        case RunStarted():
            _start_run(run_id, at)
        case ModelRequested():
            _close_batch(run_id, at, event.returns)
            _open_step(run_id, at, event)
        case ModelResponded():
            _answer(run_id, at, event)
        case ApprovalRequested():
            _hold(event)
        case ApprovalDecided():
            _decide(run_id, at, event)
        case ContextCompacted():
            _compact(run_id, at, event)
        case RunEnded():
            _close_batch(run_id, at, event.returns)
            _end_run(run_id, at, event)
        case _:
            raise AssertionError(f"{event.type} changes rows of calls only")


def _start_run(run_id: str, at: datetime) -> None:
    """The run's messages join the history now, not when they were sent: those of a waiting run must not come between."""
    Run.objects.filter(pk=run_id, started_at=None).update(started_at=at)
    for message in Message.objects.filter(run_id=run_id, position=None).order_by("created_at", "id"):
        message.position = next_position(message.agent_id, message.conversation_id)
        message.save(update_fields=["position"])


def next_position(agent_id: str, conversation_id: str | None = None) -> int:
    """The place behind the last message of a history. Safe because one run at a time writes it."""
    history = Message.objects.filter(agent_id=agent_id, conversation_id=conversation_id)
    last = history.aggregate(last=Max("position"))["last"]
    return (last or 0) + 1


def _open_step(run_id: str, at: datetime, event: ModelRequested) -> None:
    Step.objects.update_or_create(
        pk=event.step_id,
        defaults={
            "run_id": run_id,
            "index": event.step_index,
            "model": event.model,
            "parallel": event.parallel,
            "reason": event.reason,
            "estimated_tokens": event.estimated_tokens,
        },
        create_defaults={
            "run_id": run_id,
            "index": event.step_index,
            "model": event.model,
            "parallel": event.parallel,
            "reason": event.reason,
            "estimated_tokens": event.estimated_tokens,
            "created_at": at,
        },
    )


def _answer(run_id: str, at: datetime, event: ModelResponded) -> None:
    run = Run.objects.select_related("agent").get(pk=run_id)
    Step.objects.filter(pk=event.step_id).update(
        finish_reason=event.finish,
        responded_at=at,
        usage=_usage(event),
        status="pending" if event.calls else "success",
    )
    Message.objects.create(
        pk=event.message_id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        run_id=run_id,
        step_id=event.step_id,
        position=next_position(run.agent_id, run.conversation_id),
        role="assistant",
        content=event.text,
        reasoning=event.reasoning,
        reasoning_signature=event.reasoning_signature,
        calls=[kept_call(call, speaks=speaks_by_tool(run.agent.agent_type)) for call in event.calls],
        created_at=at,
    )
    ToolCall.objects.bulk_create(
        [
            ToolCall(
                pk=call.id,
                step_id=event.step_id,
                run_id=run_id,
                index=index,
                name=call.name[:128],
                provider_id=call.provider_id[:128],
                arguments=call.arguments,
            )
            for index, call in enumerate(event.calls)
        ]
    )
    Run.objects.filter(pk=run_id).update(
        call_count=F("call_count") + len(event.calls), batch_count=F("batch_count") + (1 if event.calls else 0)
    )


def _usage(event: ModelResponded | RunEnded) -> dict[str, int]:
    return {name: getattr(event.usage, name) for name in event.usage.__slots__}


def _hold(event: ApprovalRequested) -> None:
    ToolCall.objects.filter(step_id=event.step_id, state__in=set(CallState)).update(state=CallState.HELD)
    ToolCall.objects.filter(pk__in=event.call_ids).update(needs_approval=True)
    for message in Message.objects.filter(step_id=event.step_id, role="assistant"):
        message.calls = [{**call, "needs_approval": call["id"] in event.call_ids} for call in message.calls]
        message.save(update_fields=["calls"])


def _decide(run_id: str, at: datetime, event: ApprovalDecided) -> None:
    run = Run.objects.get(pk=run_id)
    # The batch that another run asked for is carried out by this one.
    count = ToolCall.objects.filter(step_id=event.step_id).count()
    Run.objects.filter(pk=run_id).update(call_count=F("call_count") + count, batch_count=F("batch_count") + 1)
    Message.objects.create(
        pk=new_id("message"),
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        run_id=run_id,
        step_id=event.step_id,
        position=next_position(run.agent_id, run.conversation_id),
        role="approval",
        decisions=run.decisions,
        created_at=at,
    )


def _compact(run_id: str, at: datetime, event: ContextCompacted) -> None:
    """A summary stands for all that came before the oldest message that stays."""
    run = Run.objects.get(pk=run_id)
    history = Message.objects.filter(agent_id=run.agent_id, conversation_id=run.conversation_id)
    place = next_position(run.agent_id, run.conversation_id)
    kept = history.filter(pk=event.first_kept).values_list("position", flat=True).first()
    Message.objects.create(
        pk=event.message_id,
        agent_id=run.agent_id,
        conversation_id=run.conversation_id,
        run_id=run_id,
        position=place,
        role="summary",
        content=event.summary,
        covers_until=(kept if kept is not None else place) - 1,
        compaction={
            "trigger": event.trigger,
            "messages_count_before": event.messages_before,
            "messages_count_after": event.messages_after,
            "context_tokens_before": event.tokens_before,
            "context_tokens_after": event.tokens_after,
            "context_window": event.context_window,
            "error": event.error,
        },
        created_at=at,
    )


def _close_batch(run_id: str, at: datetime, returns: Sequence[str]) -> None:
    """The returns of a batch join the history as one message, in the order given (rule 3.6)."""
    if not returns:
        return
    calls = ToolCall.objects.select_related("step").in_bulk(list(returns))
    step = calls[returns[0]].step
    facts = Run.objects.values_list("agent_id", "conversation_id", "agent__agent_type").get(pk=run_id)
    agent_id, conversation_id, agent_type = facts
    speaks = speaks_by_tool(agent_type)
    Message.objects.create(
        pk=new_id("message"),
        agent_id=agent_id,
        conversation_id=conversation_id,
        run_id=run_id,
        step=step,
        position=next_position(agent_id, conversation_id),
        role="tool",
        returns=[kept_return(calls[call_id], speaks=speaks) for call_id in returns],
        created_at=at,
    )
    is_cancelled = any(call.state == Outcome.CANCELLED for call in calls.values())
    Step.objects.filter(pk=step.pk).update(status="cancelled" if is_cancelled else "success")


def _end_run(run_id: str, at: datetime, event: RunEnded) -> None:
    left_open = Step.objects.filter(run_id=run_id, status="pending")
    if event.stop_reason is not StopReason.REQUIRES_APPROVAL:
        left_open.update(status="cancelled" if event.stop_reason is StopReason.CANCELLED else "failed")
    totals = summarise(ToolCall.objects.filter(run_id=run_id))
    Run.objects.filter(pk=run_id).update(
        status=event.status,
        stop_reason=event.stop_reason,
        error=event.error,
        ended_at=at or timezone.now(),
        usage=_usage(event),
        step_count=event.steps,
        wall_seconds=totals.wall,
        work_seconds=totals.work,
        saved_seconds=totals.saved,
    )
