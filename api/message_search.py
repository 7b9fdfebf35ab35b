"""/v1/messages: messages by their id, of all agents, and by what they say."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from api.addressed import DEFAULT
from api.lookup import find
from api.message_pages import MessageFilter, dated_page
from api.schemas.found import found_messages
from api.schemas.messages import Wire, wire_messages
from runs.message_search import search_messages, words_of
from runs.models import Message

router = Router(tags=["Messages"])


class AllMessages(MessageFilter):
    """Which messages of all agents to list."""

    agent_id: str | None = None


class Search(Schema):
    """What to look for. Every `search_mode` is full text: messages have no vectors here."""

    query: str
    agent_id: str | None = None
    conversation_id: str | None = None
    roles: list[Literal["user", "assistant", "system"]] = []
    start_date: datetime | None = None
    end_date: datetime | None = None
    limit: int = Field(50, ge=1, le=100)
    search_mode: Literal["vector", "fts", "hybrid"] = "hybrid"


@router.get("/messages")
def list_messages(request: HttpRequest, chosen: Query[AllMessages]) -> list[Wire]:
    """Messages of all agents and conversations, newest first."""
    rows = Message.objects.all()
    if chosen.agent_id:
        rows = rows.filter(agent_id=chosen.agent_id)
    if chosen.conversation_id:
        wanted = None if chosen.conversation_id == DEFAULT else chosen.conversation_id
        rows = rows.filter(conversation_id=wanted)
    return dated_page(rows, chosen)


@router.post("/messages/search")
def search(request: HttpRequest, body: Search) -> list[dict[str, Any]]:
    """The messages that say any of the words: those with most of them first, of these the newest."""
    hits = search_messages(
        body.agent_id,
        body.query,
        roles=body.roles or ("user", "assistant", "system"),
        start=body.start_date,
        end=body.end_date,
        limit=body.limit,
        conversation_id=body.conversation_id,
    )
    words = words_of(body.query)
    return [found for hit in hits for found in found_messages(hit.message, words)][: body.limit]


@router.get("/messages/{message_id}")
def retrieve(request: HttpRequest, message_id: str) -> list[Wire]:
    """One message: all that its row is on the wire, so a list."""
    return wire_messages(find(Message.objects.all(), message_id, "Message"))
