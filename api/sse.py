"""A run as server-sent events, in the wire format of the SDKs. Who listens, and for how long, never touches the run."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from heapq import merge

from django.http import StreamingHttpResponse
from django.utils import timezone

from agents.base_tools import SPEAKING_TOOL, speaks_by_tool
from api.news_rows import Rows, heard, rows_of
from api.schemas.dates import message_date
from api.schemas.runs import is_fault, stop_reason, usage_statistics
from api.stream import Chunk, Teller, number, number_delta
from engine.ids import new_id
from engine.rules import RequiresApproval
from engine.specs import StopReason
from runs.database import persistently
from runs.follow import News, follow
from runs.models import Run, RunDelta, RunEvent
from runs.requests import client_tool_names
from runs.takeover import PENDING_APPROVAL_TEXT

DONE = "data: [DONE]\n\n"

_ERROR_TYPES: Mapping[str, str] = {
    StopReason.LLM_API_ERROR: "llm_error",
    StopReason.INVALID_LLM_RESPONSE: "llm_error",
    StopReason.ERROR: "internal_error",
}


@dataclass(frozen=True, slots=True)
class Listening:
    """How somebody listens. `after` is the last `seq_id` they have; `only` the message types they want, None for all."""

    is_token_mode: bool = False
    has_pings: bool = True
    after: int = 0
    only: frozenset[str] | None = None

    def wants(self, chunk: Chunk) -> bool:
        """Whether this chunk is new to them, and of a type that they asked for."""
        if chunk.data["seq_id"] <= self.after:
            return False
        return bool(chunk.event) or self.only is None or chunk.data["message_type"] in self.only


def event_stream(run_id: str, listening: Listening) -> StreamingHttpResponse:
    """The response that streams this run to its end."""
    response = StreamingHttpResponse(stream(run_id, listening), content_type="text/event-stream")
    response["Cache-Control"] = "no-cache"
    response["X-Accel-Buffering"] = "no"
    return response


async def stream(run_id: str, listening: Listening) -> AsyncIterator[str]:
    """The events as text, from the first ping to [DONE]."""
    if listening.has_pings:
        yield write(_ping(run_id))
    teller = await persistently(_teller, run_id, is_token_mode=listening.is_token_mode)
    # Always from the start: what of an answer has been told is known only to who has read all of it.
    news_of_run = follow(run_id, after_delta=0 if listening.is_token_mode else None)
    async with aclosing(news_of_run):  # type: ignore[type-var]
        async for news in news_of_run:
            rows = await persistently(rows_of, news.events)
            for chunk in tell(teller, news, rows):
                if listening.wants(chunk):
                    yield write(chunk)
            if news.is_empty and not news.is_over and listening.has_pings:
                yield write(_ping(run_id))
    for chunk in await persistently(last_words, run_id):
        yield write(chunk)
    yield DONE


def write(chunk: Chunk) -> str:
    """A chunk in the wire format."""
    name = f"event: {chunk.event}\n" if chunk.event else ""
    return f"{name}data: {json.dumps(chunk.data, separators=(',', ':'))}\n\n"


def tell(teller: Teller, news: News, rows: Rows) -> list[Chunk]:
    """The chunks of some news, numbered; `rows` are those that its events have brought."""
    return [chunk for item in _in_order(news) for chunk in _tell_one(teller, item, rows)]


def last_words(run_id: str) -> list[Chunk]:
    """How a stream ends: why the run ended, and what it took; where it failed, that, as an error."""
    run = Run.objects.get(pk=run_id)
    reason = Chunk({**stop_reason(run), "run_id": run_id})
    return [reason, _error(run)] if is_fault(run) else [reason, Chunk(usage_statistics(run))]


def _tell_one(teller: Teller, item: RunEvent | RunDelta, rows: Rows) -> list[Chunk]:
    if isinstance(item, RunDelta):
        return [_numbered(chunk, number_delta(item)) for chunk in teller.tell_delta(item)]
    told = teller.tell(heard(item, rows))
    return [_numbered(chunk, number(item, place)) for place, chunk in enumerate(told)]


def _in_order(news: News) -> Iterator[RunEvent | RunDelta]:
    """Deltas stand behind the event after which they came."""
    items: tuple[Iterable[RunEvent | RunDelta], ...] = (news.events, news.deltas)
    yield from merge(*items, key=_moment)


def _moment(item: RunEvent | RunDelta) -> tuple[int, int]:
    return (item.after_seq, item.delta_seq) if isinstance(item, RunDelta) else (item.seq, 0)


def _numbered(chunk: Chunk, seq_id: int) -> Chunk:
    return Chunk({**chunk.data, "seq_id": seq_id}, chunk.event)


def _error(run: Run) -> Chunk:
    is_pending = run.error == PENDING_APPROVAL_TEXT
    facts = {
        "message_type": "error_message",
        "run_id": run.pk,
        "error_type": "PENDING_APPROVAL" if is_pending else _ERROR_TYPES[run.stop_reason],
        "message": run.error,
        "detail": run.error,
    }
    return Chunk(facts, "error")


def _ping(run_id: str) -> Chunk:
    now = message_date(timezone.now())
    return Chunk({"message_type": "ping", "id": new_id("message"), "date": now, "run_id": run_id})


def _teller(run_id: str, *, is_token_mode: bool) -> Teller:
    """Who tells this run: calls that need an approval, or that the client runs, come as an approval request; those by
    which the agent speaks as whole messages."""
    run = Run.objects.select_related("agent").get(pk=run_id)
    held = {rule["tool_name"] for rule in run.agent.tool_rules if rule["type"] == RequiresApproval.type}
    held_back = frozenset(held) | client_tool_names(run.request)
    if speaks_by_tool(run.agent.agent_type):
        held_back |= {SPEAKING_TOOL}
    return Teller(run_id, is_token_mode, held_back, tells_compactions=bool(run.request.get("tells_compactions")))
