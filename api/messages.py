"""/v1/agents/{id}/messages: sending, listing, cancelling."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema

from agents.models import Agent
from api.auth import actor_of
from api.dispatching import Envelope, begin, finish
from api.errors import invalid
from api.lookup import find
from api.message_pages import MessageFilter, chronological_page
from api.schemas.inputs import Sent
from api.schemas.messages import Wire
from api.schemas.runs import run_state
from api.sse import Listening, event_stream
from runs.database import in_database
from runs.dispatch import cancel_runs
from runs.follow import follow
from runs.models import Message

router = Router(tags=["Agents: messages"])


class Cancellation(Schema):
    """Which runs to cancel; without any, all of the agent that wait or run."""

    run_ids: list[str] | None = None


@router.post("/agents/{agent_id}/messages")
async def create(request: HttpRequest, agent_id: str, body: Sent) -> Any:
    """Send messages or approvals, and wait for the run's end; with `streaming`, stream it."""
    if body.streaming:
        return await _stream(request, agent_id, body)
    if body.background:
        raise invalid("`background` is for `streaming`; to send without waiting there is /messages/async.")
    run = await in_database(begin, agent_id, body, _envelope(request), is_background=False, is_token_streamed=False)
    async with aclosing(follow(run.pk)) as news_of_run:  # type: ignore[type-var]
        async for _ in news_of_run:
            pass  # only its end matters here
    return await in_database(finish, run.pk, body.include_return_message_types)


@router.post("/agents/{agent_id}/messages/stream")
async def stream(request: HttpRequest, agent_id: str, body: Sent) -> HttpResponseBase:
    """Send messages or approvals and stream the run: whole messages, or pieces with `stream_tokens`."""
    return await _stream(request, agent_id, body)


@router.post("/agents/{agent_id}/messages/async")
async def create_async(request: HttpRequest, agent_id: str, body: Sent) -> Wire:
    """Send messages or approvals and get the run at once."""
    run = await in_database(begin, agent_id, body, _envelope(request), is_background=True, is_token_streamed=False)
    return await in_database(run_state, run)


@router.get("/agents/{agent_id}/messages")
def list_messages(request: HttpRequest, agent_id: str, chosen: Query[MessageFilter]) -> list[Wire]:
    """The agent's history: the newest messages, the oldest of them first; from the beginning with `order=asc`."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return chronological_page(Message.objects.filter(agent=agent), chosen)


@router.post("/agents/{agent_id}/messages/cancel")
def cancel(request: HttpRequest, agent_id: str, body: Cancellation | None = None) -> dict[str, str]:
    """Cancel runs: "cancelled" or "failed" for each."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return cancel_runs(agent, body.run_ids if body else None)


async def _stream(request: HttpRequest, agent_id: str, body: Sent) -> HttpResponseBase:
    run = await in_database(
        begin,
        agent_id,
        body,
        _envelope(request),
        is_background=body.background,
        is_token_streamed=body.stream_tokens,
    )
    wanted = body.include_return_message_types
    only = None if wanted is None else frozenset(wanted)
    return event_stream(run.pk, Listening(body.stream_tokens, body.include_pings, only=only))


def _envelope(request: HttpRequest) -> Envelope:
    count = request.headers.get("x-stainless-retry-count", "0")
    return Envelope(
        sender=str(actor_of(request).via),
        raw_body=request.body,
        retry_count=int(count) if count.isdigit() else 0,
        rejects_when_busy=request.headers.get("x-on-busy", "").lower() == "reject",
    )
