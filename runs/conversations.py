"""Conversations: here and only here one is made, changed, forked and deleted. An agent's own history is none of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import DateTimeField, Max, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from access.changes import assign, explain, save_changes
from agents.model_choice import HandleProblem, check_handle
from agents.models import Agent
from agents.problems import AgentProblem, UnknownHandle
from engine.ids import new_id
from runs.models import Conversation, Message

CHANGEABLE = frozenset(
    {"summary", "description", "model", "model_settings", "context_window_limit", "is_hidden", "last_message_at"}
)
# What stands in for the agent's, and so goes along with a fork.
_OVERRIDES = ("model", "model_settings", "context_window_limit")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class UnknownMessage(AgentProblem):
    """The message to fork at is not in that history."""


def create_conversation(agent: Agent, fields: Mapping[str, Any]) -> Conversation:
    """A new conversation with nothing said yet. Raises AgentProblem."""
    conversation = Conversation(agent=agent)
    assign(conversation, _checked(fields))
    _check(conversation)
    conversation.save(force_insert=True)
    return conversation


def change_conversation(
    conversation: Conversation, changes: Mapping[str, Any], *, is_archived: bool | None = None
) -> Conversation:
    """The conversation, as it is stored now, with only these fields changed. Raises AgentProblem,
    Conversation.DoesNotExist."""
    given = _checked(changes)
    with transaction.atomic():
        stored = Conversation.objects.select_for_update(no_key=True).get(pk=conversation.pk)
        if is_archived is not None and is_archived != (stored.archived_at is not None):
            given["archived_at"] = timezone.now() if is_archived else None
        changed = assign(stored, given)
        try:
            save_changes(stored, changed)
        except ValidationError as error:
            raise AgentProblem(explain(error)) from error
    return stored


def fork_conversation(
    agent: Agent, source: Conversation | None, *, upto: str | None = None, is_hidden: bool = False
) -> Conversation:
    """A new conversation that begins with what has been said in this one (None: the agent's own history), up to and
    with the message `upto`. From there on neither knows of the other.

    Calls go along with their returns or not at all: a batch that is not finished yet is left out, and one that `upto`
    stands in the middle of is taken whole. Raises UnknownMessage.
    """
    with transaction.atomic():
        # Nobody sends to the agent meanwhile; what a run adds behind what is read here is not part of the fork.
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        history = Message.objects.filter(agent=agent, conversation=source).exclude(position=None)
        rows = _closed(_upto(list(history.order_by("position")), upto))
        fork = Conversation(agent=agent, is_hidden=is_hidden)
        if source is not None:
            assign(fork, {name: getattr(source, name) for name in ("summary", "description", *_OVERRIDES)})
        fork.last_message_at = rows[-1].created_at if rows else None
        fork.save(force_insert=True)
        Message.objects.bulk_create([_copy(row, fork) for row in rows], batch_size=500)
    return fork


def with_moments(conversations: QuerySet[Conversation]) -> QuerySet[Conversation]:
    """The conversations with `messaged` and `completed`: when somebody last sent something, when a run last ended."""
    never = Value(_NEVER, output_field=DateTimeField())
    return conversations.annotate(
        messaged=Coalesce("last_message_at", never), completed=Coalesce(Max("runs__ended_at"), never)
    )


def _checked(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a conversation has; None clears an override."""
    given = {name: value for name, value in fields.items() if name in CHANGEABLE}
    given |= {name: empty for name, empty in (("model", ""), ("model_settings", {})) if given.get(name, empty) is None}
    if given.get("model"):
        try:
            given["model"] = check_handle(given["model"])
        except HandleProblem as error:
            raise (UnknownHandle if error.is_unknown else AgentProblem)(str(error)) from error
    return given


def _check(conversation: Conversation) -> None:
    try:
        conversation.full_clean()
    except ValidationError as error:
        raise AgentProblem(explain(error)) from error


def _upto(rows: list[Message], last_id: str | None) -> list[Message]:
    """The rows up to this one; where its calls are answered later, up to their returns."""
    if last_id is None:
        return rows
    place = next((place for place, row in enumerate(rows) if row.pk == last_id), None)
    if place is None:
        raise UnknownMessage(f"There is no message '{last_id}' in this conversation to fork at.")
    taken, rest = rows[: place + 1], rows[place + 1 :]
    while rest and _is_open(taken):
        taken.append(rest.pop(0))
    return taken


def _closed(rows: list[Message]) -> list[Message]:
    """The rows without a batch at their end whose returns are not there."""
    if not _is_open(rows):
        return rows
    last_calls = max(place for place, row in enumerate(rows) if row.calls)
    return rows[:last_calls]


def _is_open(rows: Sequence[Message]) -> bool:
    """Whether the last calls have no returns."""
    last = next((row for row in reversed(rows) if row.calls or row.role == "tool"), None)
    return last is not None and bool(last.calls)


def _copy(row: Message, fork: Conversation) -> Message:
    """The same at the same place, said in another conversation: of no run and no step, those are where it happened."""
    row.pk, row.conversation = new_id("message"), fork
    row.run = row.step = None
    row.otid = ""
    row._state.adding = True
    return row
