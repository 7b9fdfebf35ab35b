"""What Claude wants back of its own answer: its thinking blocks, signed, unmodified and in their place.

A `ModelMessage` holds one reasoning text and one text. Claude may think several times in one answer, between its texts
and its calls, and blocks are tied to the model and the order in which they came. So the `reasoning_signature` that we hand
out is a layout: which block comes where, how many characters of the text or the reasoning are its own, its signature.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from llms.arguments import as_object
from llms.types import ModelMessage, RequestedCall

Block = dict[str, Any]


@dataclass(slots=True)
class Layout:
    """The order of one answer's blocks, noted while it streams."""

    model: str
    blocks: list[list[Any]] = field(default_factory=list)

    def note_thinking(self, characters: int, signature: str) -> None:
        """A thinking block with that many characters of the reasoning; there may be none."""
        self.blocks.append(["thinking", characters, signature])

    def note_redacted(self, data: str) -> None:
        """A thinking block that only Claude can read."""
        self.blocks.append(["redacted", data])

    def note_text(self, characters: int) -> None:
        """A text block with that many characters of the text."""
        self.blocks.append(["text", characters])

    def note_call(self) -> None:
        """The next of the answer's calls."""
        self.blocks.append(["call"])

    def sign(self) -> str:
        """The signature to keep with the message; empty when there was no thinking to send back."""
        if not any(block[0] in ("thinking", "redacted") for block in self.blocks):
            return ""
        return json.dumps({"model": self.model, "blocks": self.blocks}, separators=(",", ":"))


def write_blocks(message: ModelMessage, model: str) -> list[Block]:
    """The content blocks of an assistant message for a request to `model`. Thinking is left out where it cannot be sent
    back truthfully: it came from another model, or the message was changed since."""
    laid_out = _lay_out(message, model)
    if laid_out is not None:
        return laid_out
    text = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return text + [write_call(call) for call in message.calls]


def write_call(call: RequestedCall) -> Block:
    """A call of the history."""
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(call.arguments)}


def _lay_out(message: ModelMessage, model: str) -> list[Block] | None:
    if not message.reasoning_signature:
        return None
    try:
        layout = json.loads(message.reasoning_signature)
        if layout["model"] != model:
            return None
        reader = _Reader(message)
        written = [block for noted in layout["blocks"] for block in reader.read(noted)]
    except (ValueError, KeyError, TypeError, IndexError, StopIteration):
        return None  # A signature of somebody else's making.
    return written if reader.is_finished() else None


class _Reader:
    """Cuts a message into its blocks again."""

    def __init__(self, message: ModelMessage) -> None:
        self._message = message
        self._calls: Iterator[RequestedCall] = iter(message.calls)
        self._text_at = self._reasoning_at = 0

    def read(self, noted: list[Any]) -> list[Block]:
        """The block of one note; none for a blank text, which the provider refuses."""
        match noted[0]:
            case "thinking":
                start, self._reasoning_at = self._reasoning_at, self._reasoning_at + int(noted[1])
                thinking = self._message.reasoning[start : self._reasoning_at]
                return [{"type": "thinking", "thinking": thinking, "signature": noted[2]}]
            case "redacted":
                return [{"type": "redacted_thinking", "data": noted[1]}]
            case "text":
                start, self._text_at = self._text_at, self._text_at + int(noted[1])
                text = self._message.text[start : self._text_at]
                return [{"type": "text", "text": text}] if text.strip() else []
            case _:
                return [write_call(next(self._calls))]

    def is_finished(self) -> bool:
        """Whether the notes account for the whole message, to the character."""
        message = self._message
        texts_fit = self._text_at == len(message.text) and self._reasoning_at == len(message.reasoning)
        return texts_fit and next(self._calls, None) is None
