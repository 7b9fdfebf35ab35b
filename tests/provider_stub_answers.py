"""The stub provider's answers as OpenAI and as Anthropic write them, streamed and whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.provider_stub_asked import Answer, Asked, Json

_USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 40},
}


def stream_openai(body: Json, asked: Asked, answer: Answer) -> Iterator[str]:
    """The chunks of an answer."""
    for delta in _openai_deltas(asked, answer):
        yield _chunk(body, choices=[{"index": 0, "delta": delta, "finish_reason": None}])
    if asked.has("OVERLOADED"):
        yield f"data: {json.dumps({'error': {'type': 'server_error', 'message': 'The server is overloaded', 'code': None}})}\n\n"
        return
    if asked.has("TRUNCATE"):
        return
    finish = {"length": "length", "filter": "content_filter", "calls": "tool_calls"}.get(answer.finish, "stop")
    yield _chunk(body, choices=[{"index": 0, "delta": {}, "finish_reason": finish}])
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _chunk(body, choices=[], usage=_USAGE)
    yield "data: [DONE]\n\n"


def _openai_deltas(asked: Asked, answer: Answer) -> Iterator[Json]:
    yield {"role": "assistant", "content": None}
    for piece in _pieces(answer.reasoning):
        yield {"reasoning_content": piece}
    for piece in _pieces(answer.text):
        yield {"content": piece}
    for number, call in enumerate(answer.calls):
        index: Json = {} if asked.has("NOINDEX") else {"index": number}
        id_: Json = {"id": call.id} if call.id else {}
        yield {"tool_calls": [{**index, **id_, "type": "function", "function": {"name": call.name, "arguments": ""}}]}
        for piece in _pieces(call.arguments):
            yield {"tool_calls": [{**index, "function": {"arguments": piece}}]}


def _chunk(body: Json, **parts: Any) -> str:
    base = {"id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    return f"data: {json.dumps({**base, **parts})}\n\n"


def whole_openai(body: Json, answer: Answer) -> Json:
    """The answer in one piece."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in answer.calls
    ]
    message: Json = {"role": "assistant", "content": answer.text or None, "refusal": None}
    message |= {"tool_calls": calls} if calls else {}
    finish = {"length": "length", "filter": "content_filter", "calls": "tool_calls"}.get(answer.finish, "stop")
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-stub", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice],
        "usage": _USAGE,
    }  # fmt: skip


_STOPS = {"length": "max_tokens", "filter": "refusal", "calls": "tool_use"}


def stream_anthropic(body: Json, asked: Asked, answer: Answer) -> Iterator[str]:
    """The events of an answer."""
    yield _event("message_start", message=_message(body, [], None))
    yield _event("ping")
    for index, (block, deltas) in enumerate(_anthropic_blocks(answer)):
        yield _event("content_block_start", index=index, content_block=block)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        if not (asked.has("TRUNCATE") and block["type"] == "tool_use"):
            yield _event("content_block_stop", index=index)
    if asked.has("OVERLOADED"):
        yield _event("error", error={"type": "overloaded_error", "message": "Overloaded"})
        return
    if asked.has("TRUNCATE"):
        return
    stop = {"stop_reason": _STOPS.get(answer.finish, "end_turn"), "stop_sequence": None}
    yield _event("message_delta", delta=stop, usage={"output_tokens": 20})
    yield _event("message_stop")


def _anthropic_blocks(answer: Answer) -> Iterator[tuple[Json, list[Json]]]:
    if answer.reasoning:
        thought: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(answer.reasoning)]
        thought.append({"type": "signature_delta", "signature": "signed-by-stub"})
        yield {"type": "thinking", "thinking": "", "signature": ""}, thought
    if answer.text:
        yield {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in _pieces(answer.text)]
    for call in answer.calls:
        pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments)]
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, pieces


def whole_anthropic(body: Json, answer: Answer) -> Json:
    """The answer in one piece."""
    content: list[Json] = [{"type": "text", "text": answer.text}] if answer.text else []
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in answer.calls
    ]
    return _message(body, content, _STOPS.get(answer.finish, "end_turn"))


def _message(body: Json, content: list[Json], stop: str | None) -> Json:
    usage = {"input_tokens": 60, "output_tokens": 1, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 40}
    return {
        "id": "msg_stub", "type": "message", "role": "assistant", "model": body["model"], "content": content,
        "stop_reason": stop, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _event(kind: str, **parts: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **parts})}\n\n"


def _pieces(text: str, length: int = 7) -> list[str]:
    return [text[start : start + length] for start in range(0, len(text), length)]
