"""From a request's body to a run and from an ended run to its answer: the parts that need the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from api.absent import refuse_unsupported
from api.errors import ApiProblem, explain_dispatch
from api.lookup import find
from api.schemas.inputs import UNSUPPORTED, Sent, SentMessage, decisions
from api.schemas.runs import is_fault, letta_response
from engine.specs import StopReason
from runs.dispatch import (
    DispatchProblem,
    PendingApproval,
    decide,
    pending_calls,
    pending_run,
    start_run,
)
from runs.models import Conversation, Run
from runs.repeats import request_digest
from runs.takeover import PENDING_APPROVAL_TEXT


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a request says beside its body: who sends it, whether it is a retry, whether it would wait."""

    sender: str
    raw_body: bytes
    retry_count: int
    rejects_when_busy: bool


def begin(
    agent_id: str,
    body: Sent,
    envelope: Envelope,
    *,
    is_background: bool,
    is_token_streamed: bool,
    conversation: Conversation | None = None,
) -> Run:
    """The run that this request starts, or the one that it attaches to (rules 5.1 and 6.3), in this conversation of
    the agent; None is its own history. Raises ApiProblem."""
    refuse_unsupported({name: getattr(body, name) for name in UNSUPPORTED}, UNSUPPORTED)
    agent = find(Agent.objects.all(), agent_id, "Agent")
    approval = body.approval()
    options: dict[str, Any] = {
        "max_steps": body.max_steps,
        "is_background": is_background,
        "is_token_streamed": is_token_streamed,
        "conversation": conversation,
        "request": body.request(),
        "callback_url": body.callback_url or "",
    }
    try:
        if approval is not None:
            return _decide(agent, conversation, approval, envelope.sender, options)
        return start_run(
            agent,
            body.chat(),
            started_by=envelope.sender,
            digest=request_digest(conversation.pk if conversation else agent.pk, envelope.raw_body),
            retry_count=envelope.retry_count,
            rejects_when_busy=envelope.rejects_when_busy,
            **options,
        )
    except DispatchProblem as problem:
        raise explain_dispatch(problem) from problem


def finish(run_id: str, only: Iterable[str] | None) -> dict[str, Any]:
    """The answer of a run that has ended. Raises ApiProblem where it failed for a reason that must not be overlooked."""
    run = Run.objects.select_related("agent", "conversation").get(pk=run_id)
    refuse_fault(run)
    return letta_response(run, only)


def refuse_fault(run: Run) -> None:
    """Raise ApiProblem where this run, which has ended, failed for a reason that must not be overlooked."""
    if run.error == PENDING_APPROVAL_TEXT:
        raise _still_pending(run)
    if is_fault(run):
        raise _fault(run)


def _decide(
    agent: Agent, conversation: Conversation | None, approval: SentMessage, sender: str, options: Mapping[str, Any]
) -> Run:
    waiting = pending_run(agent, conversation)
    pending = [call.pk for call in pending_calls(waiting)] if waiting else _decided_last(agent, conversation)
    return decide(agent, decisions(approval, pending), decided_by=sender, **options)


def _decided_last(agent: Agent, conversation: Conversation | None) -> list[str]:
    """The calls of the last decision: an older approval that names none may be a repeat of it."""
    last = (
        Run.objects.filter(agent=agent, conversation=conversation)
        .exclude(resumes_run=None)
        .order_by("-created_at")
        .first()
    )
    return [decision["call_id"] for decision in last.decisions] if last else []


def _still_pending(run: Run) -> ApiProblem:
    """The run waited, and the one before it ended with calls that wait for approval (rule 6.4)."""
    waiting = pending_run(run.agent, run.conversation)
    calls = [call.pk for call in pending_calls(waiting)] if waiting else []
    return explain_dispatch(PendingApproval(waiting.pk if waiting else run.pk, calls))


def _fault(run: Run) -> ApiProblem:
    is_models = run.stop_reason in {StopReason.LLM_API_ERROR, StopReason.INVALID_LLM_RESPONSE}
    kind = "llm_error" if is_models else "internal_error"
    error = {"type": kind, "message": run.error, "detail": run.error, "stop_reason": run.stop_reason}
    # Asking again would attach to this very run.
    return ApiProblem(502 if is_models else 500, run.error, is_final=True, error=error, run_id=run.pk)
