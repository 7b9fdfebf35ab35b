"""Messages that a search has found, as the SDKs know them: what they say, and whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api.schemas.dates import entity_date
from runs.contents import search_text
from runs.message_search import said
from runs.models import Message

_KINDS = {"user": "user_message", "system": "system_message", "assistant": "assistant_message"}


def found_messages(row: Message, words: Sequence[str]) -> list[dict[str, Any]]:
    """The parts of a row that have any of these words: what was said, the reasoning before it."""
    facts = {
        "created_at": entity_date(row.created_at),
        "message_id": row.pk,
        "agent_id": row.agent_id,
        "conversation_id": row.conversation_id,
    }
    content = said(row) if row.role == "system" else row.content
    found = []
    if _has(content, words):
        found.append({"message_type": _KINDS[row.role], "content": content, **facts})
    if row.reasoning and _has(row.reasoning, words):
        found.append({"message_type": "reasoning_message", "reasoning": row.reasoning, **facts})
    return found


def _has(content: Any, words: Sequence[str]) -> bool:
    text = search_text(content, "", ())
    return bool(text) and (not words or any(word in text for word in words))
