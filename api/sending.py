"""Messages on their way to an agent, whichever path they came by: answered at the run's end, as a stream, or at once."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from api.auth import actor_of
from api.dispatching import Envelope, begin, finish
from api.errors import invalid
from api.schemas.inputs import Sent
from api.schemas.messages import Wire
from api.schemas.runs import run_state
from api.sse import Listening, event_stream
from runs.database import in_database
from runs.follow import follow
from runs.models import Conversation, Run


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who is spoken to: an agent, in its own history or in one of its conversations."""

    agent_id: str
    conversation: Conversation | None = None


async def answer_at_the_end(request: HttpRequest, to: Addressee, body: Sent) -> dict[str, Any]:
    """Send, wait for the run's end, and give what it said."""
    if body.background:
        raise invalid("`background` is for `streaming`; to send without waiting there is /messages/async.")
    run = await _begin(request, to, body, is_background=False, is_token_streamed=False)
    async with aclosing(follow(run.pk)) as news_of_run:  # type: ignore[type-var]
        async for _ in news_of_run:
            pass  # only its end matters here
    return await in_database(finish, run.pk, body.include_return_message_types)


async def answer_as_stream(request: HttpRequest, to: Addressee, body: Sent) -> HttpResponseBase:
    """Send, and stream the run."""
    run = await _begin(request, to, body, is_background=body.background, is_token_streamed=body.stream_tokens)
    wanted = body.include_return_message_types
    only = None if wanted is None else frozenset(wanted)
    return event_stream(run.pk, Listening(body.stream_tokens, body.include_pings, only=only))


async def answer_at_once(request: HttpRequest, to: Addressee, body: Sent) -> Wire:
    """Send, and give the run as it is then."""
    run = await _begin(request, to, body, is_background=True, is_token_streamed=False)
    return await in_database(run_state, run)


async def _begin(
    request: HttpRequest, to: Addressee, body: Sent, *, is_background: bool, is_token_streamed: bool
) -> Run:
    return await in_database(
        begin,
        to.agent_id,
        body,
        _envelope(request),
        is_background=is_background,
        is_token_streamed=is_token_streamed,
        conversation=to.conversation,
    )


def _envelope(request: HttpRequest) -> Envelope:
    count = request.headers.get("x-stainless-retry-count", "0")
    return Envelope(
        sender=str(actor_of(request).via),
        raw_body=request.body,
        retry_count=int(count) if count.isdigit() else 0,
        rejects_when_busy=request.headers.get("x-on-busy", "").lower() == "reject",
    )
