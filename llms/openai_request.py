"""Our request in the words of OpenAI's chat completions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from llms.arguments import as_object_text
from llms.catalogue import CatalogueModel
from llms.types import ContentPart, ModelMessage, ModelRequest, ModelTool, Role, TextPart

_OFFICIAL_HOSTS = (".openai.com", ".openai.azure.com")


def write_request(request: ModelRequest, known: CatalogueModel, *, is_official: bool) -> dict[str, Any]:
    """The body of one request, streamed and with usage. `known` is the catalogue's word on the model."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [write_message(message) for message in _system_first(request.messages)],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body |= _write_tools(request)
    if request.temperature is not None and known.supports_temperature:
        body["temperature"] = request.temperature
    if request.max_output_tokens is not None:
        body[_name_of_limit(known, is_official)] = request.max_output_tokens
    effort = "none" if request.tools and known.tools_need_no_effort else request.reasoning_effort
    if effort and (known.supports_reasoning or not known.is_known):
        body["reasoning_effort"] = effort
    return body


def is_official(base_url: str) -> bool:
    """Whether this is OpenAI's own service, whose parameters are known for certain."""
    host = f".{urlsplit(base_url).hostname or ''}"
    return host.endswith(_OFFICIAL_HOSTS)


def write_message(message: ModelMessage) -> dict[str, Any]:
    """One message of the history; malformed arguments are wrapped, some endpoints parse them."""
    match message.role:
        case Role.USER if message.images:
            return {"role": "user", "content": [_write_part(part) for part in message.parts]}
        case Role.SYSTEM | Role.USER:
            return {"role": message.role.value, "content": message.text}
        case Role.TOOL:
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
        case Role.ASSISTANT:
            written: dict[str, Any] = {"role": "assistant", "content": message.text or None}
            if message.calls:
                written["tool_calls"] = [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.name, "arguments": as_object_text(call.arguments)},
                    }
                    for call in message.calls
                ]
            elif not message.text:
                written["content"] = ""
            return written


def _write_part(part: ContentPart) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    image = {"url": part.url or f"data:{part.media_type};base64,{part.data}"}
    return {"type": "image_url", "image_url": image | ({"detail": part.detail} if part.detail else {})}


def _system_first(messages: Iterable[ModelMessage]) -> list[ModelMessage]:
    return sorted(messages, key=lambda message: message.role is not Role.SYSTEM)


def _name_of_limit(known: CatalogueModel, is_official: bool) -> str:
    """`max_tokens` is refused by OpenAI's reasoning models and deprecated for the others; `max_completion_tokens` is
    unknown to many compatible endpoints, which refuse or ignore it. So: the new name for OpenAI itself and for its
    reasoning models behind a proxy, the old one for everybody else."""
    return "max_completion_tokens" if is_official or known.supports_reasoning else "max_tokens"


def _write_tools(request: ModelRequest) -> dict[str, Any]:
    written: dict[str, Any] = {"tools": [_write_tool(tool) for tool in _callable_tools(request)]}
    if request.sends_parallel:
        written["parallel_tool_calls"] = request.parallel
    if len(request.forced_tools) == 1:
        written["tool_choice"] = {"type": "function", "function": {"name": request.forced_tools[0]}}
    elif request.forced_tools:
        written["tool_choice"] = "required"
    return written


def _callable_tools(request: ModelRequest) -> tuple[ModelTool, ...]:
    """With several forced tools only these are sent, with "required": `allowed_tools` says the same more politely to
    the prompt cache, but compatible endpoints do not know it."""
    if len(request.forced_tools) < 2:
        return request.tools
    return tuple(tool for tool in request.tools if tool.name in request.forced_tools)


def _write_tool(tool: ModelTool) -> Mapping[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
