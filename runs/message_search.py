"""Full-text search of what was said: by words, the messages with most of them first, of these the newest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add, or_

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from runs.contents import content_text, spoken_texts
from runs.models import Message

_MOST_WORDS = 16
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found. `text` is what it says, of a tool message its returns; `score` how many of the words it
    has, and one more where they stand in it as they were asked for."""

    message: Message
    text: str
    score: int

    @property
    def at(self) -> datetime:
        """When it was said."""
        return self.message.created_at


def search_messages(
    agent_id: str | None,
    query: str,
    *,
    roles: Sequence[str] = (),
    start: datetime | None = None,
    end: datetime | None = None,
    limit: int = 50,
    conversation_id: str | None = None,
) -> list[Hit]:
    """The messages that say any of the query's words, in one query to the database.

    `roles` are user, assistant, system and tool, none meaning all; from `start` to `end`, both included. A query
    without words finds everything, newest first. `conversation_id` "default" is the agent's own history. A message
    that still waits its turn is in no history and is not found.
    """
    rows = _chosen(agent_id, roles, start, end, conversation_id)
    words = words_of(query)
    if words:
        rows = rows.filter(reduce(or_, (Q(search_text__contains=word) for word in words)))
    rows = rows.annotate(score=_score(words, " ".join(words)))
    found = rows.order_by("-score", "-created_at", "-pk")[: max(0, min(limit, _LONGEST))]
    return [Hit(row, said(row), row.score) for row in found]


def words_of(query: str) -> list[str]:
    """The words that are looked for, in lower case, each once."""
    return list(dict.fromkeys(query.replace("\0", " ").casefold().split()))[:_MOST_WORDS]


def said(message: Message) -> str:
    """The text of a message as a person reads it."""
    if message.role == "tool":
        return "\n".join(str(returned["text"]) for returned in message.returns)
    return "\n".join(text for text in (content_text(message.content), *spoken_texts(message.calls)) if text)


def _chosen(
    agent_id: str | None,
    roles: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    conversation_id: str | None,
) -> QuerySet[Message]:
    rows = Message.objects.exclude(position=None).exclude(role__in=["approval", "summary"])
    if agent_id is not None:
        rows = rows.filter(agent_id=agent_id)
    if roles:
        rows = rows.filter(role__in=roles)
    if start is not None:
        rows = rows.filter(created_at__gte=start)
    if end is not None:
        rows = rows.filter(created_at__lte=end)
    if conversation_id is not None:
        rows = rows.filter(conversation_id=None if conversation_id == "default" else conversation_id)
    return rows


def _score(words: Sequence[str], phrase: str) -> Case | Value:
    wanted = [*words, phrase] if len(words) > 1 else list(words)
    parts = [Case(When(search_text__contains=text, then=1), default=0, output_field=IntegerField()) for text in wanted]
    return reduce(add, parts) if parts else Value(0, output_field=IntegerField())
