"""What a message's content says: a text, or a list of parts of which the text ones count."""

from __future__ import annotations

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


def search_text(content: Any, reasoning: str, returns: Sequence[Mapping[str, Any]]) -> str:
    """What of a message can be found by searching, in lower case: SQLite knows that of ASCII alone."""
    said = [content_text(content), reasoning, *(str(returned.get("text", "")) for returned in returns)]
    return "\n".join(text for text in said if text)[:_SEARCHED].casefold().replace("\0", "")
