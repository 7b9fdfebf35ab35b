"""Conversations as the SDKs know them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Schema
from pydantic import Field

from agents.model_shapes import known_to_sdks
from api.absent import refuse_unsupported
from api.schemas.dates import entity_date
from api.schemas.inputs import Sent
from api.schemas.messages import Wire
from runs.models import Conversation, Message

_UNSUPPORTED = {"isolated_block_labels": "memory blocks of the conversation's own"}


class ConversationFields(Schema):
    """What can be said about a conversation. What is not sent stays; null clears what stands in for the agent's."""

    summary: str | None = None
    description: str | None = None
    model: str | None = None
    model_settings: dict[str, Any] | None = None
    context_window_limit: int | None = Field(default=None, ge=1)
    last_message_at: datetime | None = None
    archived: bool | None = None

    def sent(self) -> dict[str, Any]:
        """The fields that were really sent, under our names; without `archived`."""
        return self.model_dump(exclude_unset=True, exclude={"archived"})


class NewConversation(ConversationFields):
    """A conversation to make. `isolated_block_labels` is refused, not ignored."""

    hidden: bool = False
    isolated_block_labels: list[str] | None = None

    def sent(self) -> dict[str, Any]:
        """As above. Raises ApiProblem."""
        refuse_unsupported(self.model_dump(), _UNSUPPORTED)
        given = self.model_dump(exclude_unset=True, exclude={"archived", "hidden", "isolated_block_labels"})
        return {**given, "is_hidden": self.hidden}


class SentToConversation(Sent):
    """What is sent to a conversation, whose answer streams unless it is told not to. `agent_id` is for `default`."""

    streaming: bool = True
    agent_id: str | None = None


class Resumed(Schema):
    """Which run of a conversation to stream, and from where: the active one, unless `run_id` or `otid` names one."""

    agent_id: str | None = None
    run_id: str | None = None
    otid: str | None = None
    starting_after: int = 0
    include_pings: bool | None = True


class Recompiled(Schema):
    """What is recompiled; `agent_id` is for `default`."""

    agent_id: str | None = None


def conversation_state(conversation: Conversation, *, with_messages: bool = False) -> Wire:
    """A Conversation. `with_messages` gives the ids of its messages, left out of lists."""
    return {
        "id": conversation.pk,
        "agent_id": conversation.agent_id,
        "summary": conversation.summary,
        "description": conversation.description,
        "model": conversation.model or None,
        "model_settings": _model_settings(conversation),
        "context_window_limit": conversation.context_window_limit,
        "hidden": conversation.is_hidden,
        "archived": conversation.archived_at is not None,
        "archived_at": entity_date(conversation.archived_at),
        "last_message_at": entity_date(conversation.last_message_at),
        "isolated_block_ids": [],
        "in_context_message_ids": _message_ids(conversation) if with_messages else None,
        "created_at": entity_date(conversation.created_at),
        "updated_at": entity_date(conversation.updated_at),
        "created_by_id": None,
        "last_updated_by_id": None,
    }


def _model_settings(conversation: Conversation) -> dict[str, Any] | None:
    settings: dict[str, Any] = conversation.model_settings
    if not settings:
        return None
    provider = conversation.model.partition("/")[0]
    return {"provider_type": known_to_sdks(provider), **settings} if provider else settings


def _message_ids(conversation: Conversation) -> list[str]:
    rows = Message.objects.filter(conversation=conversation).exclude(position=None).order_by("position")
    return list(rows.values_list("pk", flat=True))
