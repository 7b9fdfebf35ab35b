"""What a message's content says: a text, or a list of parts of which the text ones count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# Of a very long message only the beginning is searched, in characters.
_SEARCHED = 20_000


def content_text(content: Any) -> str:
    """The text of a content; parts that are no text are left out."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else []
    texts = (part.get("text") for part in parts if isinstance(part, Mapping))
    return "\n".join(text for text in texts if isinstance(text, str))


def message_of(arguments: str) -> str:
    """What a call of send_message says, from its arguments as the model wrote them; "" where it says nothing."""
    try:
        message = json.loads(arguments)["message"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return message if isinstance(message, str) else ""


def spoken_texts(calls: Sequence[Mapping[str, Any]]) -> list[str]:
    """What an answer says to people by calls, as agents of older types do."""
    return [message_of(call["arguments"]) for call in calls if call.get("is_spoken")]


def search_text(
    content: Any, reasoning: str, returns: Sequence[Mapping[str, Any]], calls: Sequence[Mapping[str, Any]] = ()
) -> str:
    """What of a message can be found by searching, in lower case: SQLite knows that of ASCII alone."""
    said = [
        content_text(content),
        *spoken_texts(calls),
        reasoning,
        *(str(returned.get("text", "")) for returned in returns),
    ]
    return "\n".join(text for text in said if text)[:_SEARCHED].casefold().replace("\0", "")
