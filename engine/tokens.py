"""How large a request is, without asking anybody: an estimate that the provider's own counts correct.

Four bytes of text make a token, which is near enough for every tokenizer of today in any script, and needs neither a
vocabulary nor a network. `Turn.calibration` is what the provider counted last, by what was estimated then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from llms.types import ModelMessage, ModelTool

_BYTES_PER_TOKEN = 4
_PER_MESSAGE = 4
_PER_IMAGE = 1_500
_LEAST_CALIBRATION, _MOST_CALIBRATION = 0.5, 4.0


def tokens_of_text(text: str) -> int:
    """Tokens of a text, about."""
    return -(-len(text.encode(errors="replace")) // _BYTES_PER_TOKEN)


def tokens_of_message(message: ModelMessage) -> int:
    """Tokens of one message with its calls and pictures, about."""
    texts = [message.text, message.reasoning, *(call.name + call.arguments for call in message.calls)]
    return _PER_MESSAGE + sum(map(tokens_of_text, texts)) + _PER_IMAGE * len(message.images)


def tokens_of_messages(messages: Iterable[ModelMessage]) -> int:
    """Tokens of all these messages, about."""
    return sum(map(tokens_of_message, messages))


def tokens_of_tool(tool: ModelTool) -> int:
    """Tokens of a tool's definition, about."""
    return tokens_of_text(json.dumps([tool.name, tool.description, dict(tool.parameters)], ensure_ascii=False))


def tokens_of_request(messages: Iterable[ModelMessage], tools: Iterable[ModelTool]) -> int:
    """Tokens of a whole request, about."""
    return tokens_of_messages(messages) + sum(map(tokens_of_tool, tools))


def calibrate(counted: int, estimated: int) -> float:
    """By what to multiply estimates, after the provider counted so many tokens for a request that was estimated so."""
    if counted <= 0 or estimated <= 0:
        return 1.0
    return min(max(counted / estimated, _LEAST_CALIBRATION), _MOST_CALIBRATION)
