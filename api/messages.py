"""/v1/agents/{id}/messages: sending, listing, cancelling."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema

from agents.models import Agent
from api.addressed import conversation_of
from api.lookup import find
from api.message_pages import MessageFilter, chronological_page
from api.schemas.inputs import Sent
from api.schemas.messages import Wire
from api.sending import Addressee, answer_as_stream, answer_at_once, answer_at_the_end
from runs.dispatch import cancel_runs
from runs.models import Message

router = Router(tags=["Agents: messages"])


class Cancellation(Schema):
    """Which runs to cancel; without any, all of the agent that wait or run."""

    run_ids: list[str] | None = None


@router.post("/agents/{agent_id}/messages")
async def create(request: HttpRequest, agent_id: str, body: Sent) -> Any:
    """Send messages or approvals, and wait for the run's end; with `streaming`, stream it."""
    answer = answer_as_stream if body.streaming else answer_at_the_end
    return await answer(request, Addressee(agent_id), body)


@router.post("/agents/{agent_id}/messages/stream")
async def stream(request: HttpRequest, agent_id: str, body: Sent) -> HttpResponseBase:
    """Send messages or approvals and stream the run: whole messages, or pieces with `stream_tokens`."""
    return await answer_as_stream(request, Addressee(agent_id), body)


@router.post("/agents/{agent_id}/messages/async")
async def create_async(request: HttpRequest, agent_id: str, body: Sent) -> Wire:
    """Send messages or approvals and get the run at once."""
    return await answer_at_once(request, Addressee(agent_id), body)


@router.get("/agents/{agent_id}/messages")
def list_messages(request: HttpRequest, agent_id: str, chosen: Query[MessageFilter]) -> list[Wire]:
    """The agent's history, or that of its `conversation_id`: the newest messages, the oldest of them first; from the
    beginning with `order=asc`."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    conversation = conversation_of(agent, chosen.conversation_id)
    return chronological_page(Message.objects.filter(agent=agent, conversation=conversation), chosen)


@router.post("/agents/{agent_id}/messages/cancel")
def cancel(request: HttpRequest, agent_id: str, body: Cancellation | None = None) -> dict[str, str]:
    """Cancel runs of the agent, those in its conversations too: "cancelled" or "failed" for each."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return cancel_runs(agent, body.run_ids if body else None)
