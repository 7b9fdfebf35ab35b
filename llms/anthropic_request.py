"""Our request in the words of Anthropic's messages. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from llms.catalogue import CatalogueModel, Thinking
from llms.thinking_blocks import Block, write_blocks
from llms.types import ContentPart, ModelMessage, ModelRequest, ModelTool, Role, TextPart

_DEFAULT_OUTPUT_TOKENS = 16_000
_LEAST_OUTPUT_TOKENS = 4_096
_LEAST_BUDGET = 1_024
_CACHED = {"cache_control": {"type": "ephemeral"}}


def write_request(request: ModelRequest, known: CatalogueModel) -> dict[str, Any]:
    """The arguments of one request. A temperature is never sent: the API version that the SDK speaks refuses it."""
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": _limit_output(request, known),
        "messages": write_messages(request),
        "stream": True,
    }
    system = "\n\n".join(message.text for message in request.messages if message.role is Role.SYSTEM and message.text)
    if system:
        body["system"] = [{"type": "text", "text": system, **_CACHED}]
    body |= _write_tools(request, known)
    return body | _write_thinking(request, known, body["max_tokens"])


def write_messages(request: ModelRequest) -> list[dict[str, Any]]:
    """The history in turns: Anthropic wants all returns of a batch in one user message, before any text of the user."""
    spoken = [message for message in request.messages if message.role is not Role.SYSTEM]
    turns: list[dict[str, Any]] = []
    for is_assistant, turn in groupby(spoken, key=lambda message: message.role is Role.ASSISTANT):
        messages = list(turn)
        if is_assistant:
            content = [block for message in messages for block in write_blocks(message, request.model)]
        else:
            content = _write_user_turn(messages)
        if content:
            turns.append({"role": "assistant" if is_assistant else "user", "content": content})
    return turns


def _write_user_turn(messages: Iterable[ModelMessage]) -> list[Block]:
    returns: list[Block] = []
    texts: list[Block] = []
    for message in messages:
        if message.role is Role.TOOL:
            returns.append(_write_return(message))
        elif message.images:
            texts += [
                _write_part(part) for part in message.parts if not isinstance(part, TextPart) or part.text.strip()
            ]
        elif message.text.strip():
            texts.append({"type": "text", "text": message.text})
    return returns + texts


def _write_part(part: ContentPart) -> Block:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    source = (
        {"type": "url", "url": part.url}
        if part.url
        else {"type": "base64", "media_type": part.media_type, "data": part.data}
    )
    return {"type": "image", "source": source}


def _write_return(message: ModelMessage) -> Block:
    written: Block = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
    return written | ({"is_error": True} if message.is_error else {})


def _limit_output(request: ModelRequest, known: CatalogueModel) -> int:
    """Anthropic wants a limit always, and none above the model's. It bounds thinking and answer together."""
    most = max(known.max_output_tokens, _LEAST_OUTPUT_TOKENS)
    return min(request.max_output_tokens or _DEFAULT_OUTPUT_TOKENS, most)


def _write_tools(request: ModelRequest, known: CatalogueModel) -> dict[str, Any]:
    if not request.tools:
        return _write_past_tools(request)
    choice: dict[str, Any] = {"type": "auto"}
    tools = request.tools
    if request.forced_tools:
        # The only tools it may call: sent alone, which is all that can be done where forcing is refused.
        tools = tuple(tool for tool in tools if tool.name in request.forced_tools)
        if known.supports_forced_tools:
            forced = request.forced_tools
            choice = {"type": "tool", "name": forced[0]} if len(forced) == 1 else {"type": "any"}
    if request.sends_parallel:
        choice["disable_parallel_tool_use"] = not request.parallel
    written = [_write_tool(tool) for tool in tools]
    if written:
        written[-1] |= _CACHED
    return {"tools": written, "tool_choice": choice}


def _write_past_tools(request: ModelRequest) -> dict[str, Any]:
    """A history with calls is refused unless tools are defined: define what was called, and allow none of it."""
    names = dict.fromkeys(call.name for message in request.messages for call in message.calls)
    if not names:
        return {}
    past = [ModelTool(name, "No longer available.", {"type": "object", "properties": {}}) for name in names]
    return {"tools": [_write_tool(tool) for tool in past], "tool_choice": {"type": "none"}}


def _write_tool(tool: ModelTool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": {"type": "object", **tool.parameters}}


def _write_thinking(request: ModelRequest, known: CatalogueModel, max_tokens: int) -> dict[str, Any]:
    """How to think. A forced tool and thinking exclude each other, and the forced tool is the stronger wish."""
    if request.tools and request.forced_tools and known.supports_forced_tools:
        return {"thinking": {"type": "disabled"}} if known.thinks_by_default else {}
    wished = request.thinking_budget
    match known.thinking:
        case Thinking.BUDGET if wished and max_tokens > _LEAST_BUDGET:
            budget = min(max(wished, _LEAST_BUDGET), max_tokens - 1)
            return {"thinking": {"type": "enabled", "budget_tokens": budget}}
        case Thinking.ADAPTIVE:
            asks = bool(wished or request.reasoning_effort or known.thinks_by_default)
            written: dict[str, Any] = {"thinking": {"type": "adaptive", "display": "summarized"}} if asks else {}
            return written | _write_effort(request.reasoning_effort)
        case _:
            return {}


def _write_effort(effort: str | None) -> dict[str, Any]:
    """OpenAI's two lowest efforts have no name at Anthropic."""
    if not effort:
        return {}
    return {"output_config": {"effort": "low" if effort in ("none", "minimal") else effort}}
