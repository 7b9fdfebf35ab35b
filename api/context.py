"""The context window: what stands in it, making room in it, and beginning anew."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from django.http import HttpRequest
from ninja import Router

from agents.models import Agent
from api.addressed import addressee, conversation_of
from api.auth import actor_of
from api.dispatching import refuse_fault
from api.errors import ApiProblem, explain_dispatch
from api.lookup import find
from api.schemas.context import CompactionRequest, Reset, window_state
from api.schemas.inputs import known_handle
from api.schemas.messages import Wire
from api.sending import Addressee
from runs.compacting import NothingToCompact, compacted_by, start_compaction
from runs.context_window import context_window
from runs.database import in_database
from runs.dispatch import DispatchProblem
from runs.follow import follow
from runs.models import Run
from runs.resetting import reset_history

router = Router(tags=["Context window"])


@router.get("/agents/{agent_id}/context")
def overview(request: HttpRequest, agent_id: str, conversation_id: str | None = None) -> Wire:
    """What stands in the agent's context window now, in tokens."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return window_state(context_window(agent, conversation_of(agent, conversation_id)))


@router.post("/agents/{agent_id}/summarize")
async def compact(request: HttpRequest, agent_id: str, body: CompactionRequest | None = None) -> dict[str, Any]:
    """Summarise the older messages of the agent's own history; they stay in it, but leave the context window."""
    agent = await in_database(find, Agent.objects.all(), agent_id, "Agent")
    return await _compact(request, Addressee(agent.pk), body)


@router.post("/conversations/{conversation_id}/compact")
async def compact_conversation(
    request: HttpRequest, conversation_id: str, body: CompactionRequest | None = None
) -> dict[str, Any]:
    """The same for a conversation."""
    to = await in_database(addressee, conversation_id, body.agent_id if body else None)
    return await _compact(request, to, body)


@router.patch("/agents/{agent_id}/reset-messages")
def reset(request: HttpRequest, agent_id: str, body: Reset | None = None) -> None:
    """Delete the messages of the agent's own history."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    try:
        reset_history(agent)
    except DispatchProblem as problem:
        raise explain_dispatch(problem) from problem


async def _compact(request: HttpRequest, to: Addressee, body: CompactionRequest | None) -> dict[str, Any]:
    run = await in_database(_begin, to, body or CompactionRequest(), str(actor_of(request).via))
    async with aclosing(follow(run.pk)) as news_of_run:  # type: ignore[type-var]
        async for _ in news_of_run:
            pass  # only its end matters here
    return await in_database(_finish, run.pk)


def _begin(to: Addressee, body: CompactionRequest, sender: str) -> Run:
    settings = body.settings()
    if settings.get("model"):
        settings["model"] = known_handle(settings["model"])
    try:
        return start_compaction(Agent.objects.get(pk=to.agent_id), to.conversation, settings, started_by=sender)
    except DispatchProblem as problem:
        raise _explain(problem) from problem


def _finish(run_id: str) -> dict[str, Any]:
    run = Run.objects.select_related("agent", "conversation").get(pk=run_id)
    refuse_fault(run)
    try:
        made = compacted_by(run)
    except DispatchProblem as problem:
        raise _explain(problem) from problem
    return {
        "summary": made.summary,
        "num_messages_before": made.messages_before,
        "num_messages_after": made.messages_after,
    }


def _explain(problem: DispatchProblem) -> ApiProblem:
    return ApiProblem(400, problem.text) if isinstance(problem, NothingToCompact) else explain_dispatch(problem)
