"""Anthropic on the official SDK, reading its raw events.

Measured: the SDK's own helper repairs the half JSON of a truncated tool call, and a stream that ends without a stop reason
raises nothing, so both are dealt with here (rule 3.9); a stream cut midway lets raw `httpx2` errors out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
from anthropic import AsyncAnthropic
from anthropic.types import RawMessageStreamEvent

from llms.anthropic_request import write_request
from llms.catalogue import describe
from llms.errors import ModelError, TruncatedResponse
from llms.provider_errors import Asked, Refusal, explain_refusal, lost_connection, read_retry_after
from llms.thinking_blocks import Layout
from llms.types import (
    CallDelta,
    FinishReason,
    ModelDelta,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ReasoningDelta,
    RequestedCall,
    TextDelta,
    Usage,
)

DEFAULT_BASE_URL = "https://api.anthropic.com"
_NO_KEY = "no-key"  # Without one the SDK looks for credentials all over the machine.
_FAILURES = (anthropic.AnthropicError, httpx2.HTTPError, json.JSONDecodeError, UnicodeError)
_FINISH = {
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "refusal": FinishReason.FILTER,
}


class AnthropicClient:
    """One connection pool to one endpoint. `timeout` is the longest silence in seconds, not the whole answer's time.

    An empty `api_key` is for endpoints that want none. Close with `aclose`.
    """

    def __init__(self, *, base_url: str = DEFAULT_BASE_URL, api_key: str = "", timeout: float = 300.0) -> None:
        self.base_url = base_url or DEFAULT_BASE_URL
        self._key = api_key
        self._sdk = AsyncAnthropic(
            api_key=api_key or _NO_KEY,
            base_url=self.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(timeout, connect=10.0),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._sdk.close()

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask once; see `llms.types.ModelClient`."""
        body = write_request(request, describe(f"anthropic/{request.model}"))
        asked = Asked("Anthropic", request.model, "ANTHROPIC_API_KEY")
        answer = _Answer(request.model)
        try:
            async with await self._sdk.messages.create(**body) as stream:
                async for event in stream:
                    for delta in answer.add(event):
                        yield delta
        except _FAILURES as error:
            raise self._explain(asked, error) from error
        yield answer.finish(asked)

    async def list_models(self) -> tuple[str, ...]:
        """The names of the models that the endpoint offers. Raises `ModelError`."""
        try:
            return tuple([model.id async for model in self._sdk.models.list(limit=1000)])
        except _FAILURES as error:
            raise self._explain(Asked("Anthropic", "its list of models", "ANTHROPIC_API_KEY"), error) from error

    def _explain(self, asked: Asked, error: Exception) -> ModelError:
        if not isinstance(error, anthropic.APIStatusError):
            return lost_connection(asked, error)
        message = error.api_message or error.message
        message = message.replace(self._key, "…") if self._key else message
        retry_after = read_retry_after(error.response.headers)
        return explain_refusal(asked, Refusal(error.status_code, message, error.type or "", "", retry_after))


class _Answer:
    """One answer as it grows, block by block."""

    def __init__(self, model: str) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[RequestedCall] = []
        self._layout = Layout(model)
        self._stop: str | None = None
        self._usage = _UsageSoFar()
        self._model = model
        self._block: _Block | None = None

    def add(self, event: RawMessageStreamEvent) -> list[ModelDelta]:
        """Take one raw event; gives what is new in it."""
        match event.type:
            case "message_start":
                self._model = event.message.model or self._model
                self._usage.add(event.message.usage)
            case "content_block_start":
                return self._start(event.content_block)
            case "content_block_delta":
                return self._grow(event.delta)
            case "content_block_stop":
                self._close_block()
            case "message_delta":
                self._stop = event.delta.stop_reason or self._stop
                self._usage.add(event.usage)
        return []

    def finish(self, asked: Asked) -> ModelResponse:
        """The whole answer. Raises `TruncatedResponse` when the stream just ended (rule 3.9)."""
        if self._stop is None:
            raise TruncatedResponse(f"{asked.provider}'s answer broke off: the stream ended without a stop reason.")
        otherwise = FinishReason.TOOL_CALLS if self._calls else FinishReason.STOP
        return ModelResponse(
            finish=_FINISH.get(self._stop, otherwise),
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            reasoning_signature=self._layout.sign(),
            calls=tuple(self._calls),
            usage=self._usage.total(),
            model=self._model,
        )

    def _start(self, started: Any) -> list[ModelDelta]:
        self._close_block()
        block = self._block = _Block(started.type)
        match started.type:
            case "text":
                return self._add_text(started.text)
            case "thinking":
                block.signature = started.signature or ""
                return self._add_reasoning(started.thinking)
            case "redacted_thinking":
                block.signature = started.data
            case "tool_use":
                block.id, block.name = started.id, started.name
                return [CallDelta(len(self._calls), started.id, started.name)]
        return []

    def _grow(self, delta: Any) -> list[ModelDelta]:
        if self._block is None:
            return []
        match delta.type:
            case "text_delta":
                return self._add_text(delta.text)
            case "thinking_delta":
                return self._add_reasoning(delta.thinking)
            case "signature_delta":
                self._block.signature += delta.signature
            case "input_json_delta" if self._block.type == "tool_use" and delta.partial_json:
                self._block.arguments += delta.partial_json
                return [CallDelta(len(self._calls), arguments=delta.partial_json)]
        return []

    def _add_text(self, text: str) -> list[ModelDelta]:
        if not text or self._block is None:
            return []
        self._text.append(text)
        self._block.characters += len(text)
        return [TextDelta(text)]

    def _add_reasoning(self, text: str) -> list[ModelDelta]:
        if not text or self._block is None:
            return []
        self._reasoning.append(text)
        self._block.characters += len(text)
        return [ReasoningDelta(text)]

    def _close_block(self) -> None:
        block, self._block = self._block, None
        if block is None:
            return
        match block.type:
            case "text":
                self._layout.note_text(block.characters)
            case "thinking":
                self._layout.note_thinking(block.characters, block.signature)
            case "redacted_thinking":
                self._layout.note_redacted(block.signature)
            case "tool_use":
                self._layout.note_call()
                self._calls.append(RequestedCall(block.id, block.name, block.arguments or "{}"))


class _Block:
    """The block that is being streamed; `signature` is the redacted data for a redacted one."""

    def __init__(self, type: str) -> None:
        self.type = type
        self.id = self.name = self.arguments = self.signature = ""
        self.characters = 0


class _UsageSoFar:
    """Anthropic reports input at the start and cumulative output at the end, sometimes input again."""

    def __init__(self) -> None:
        self._input = self._output = self._cache_read = self._cache_write = self._thinking = 0

    def add(self, usage: Any) -> None:
        """Take what is reported; later words replace earlier ones."""
        self._input = usage.input_tokens or self._input
        self._output = usage.output_tokens or self._output
        self._cache_read = usage.cache_read_input_tokens or self._cache_read
        self._cache_write = usage.cache_creation_input_tokens or self._cache_write
        if usage.output_tokens_details:
            self._thinking = usage.output_tokens_details.thinking_tokens or self._thinking

    def total(self) -> Usage:
        """As OpenAI counts: the prompt includes what was read from and written to the cache."""
        return Usage(
            prompt_tokens=self._input + self._cache_read + self._cache_write,
            completion_tokens=self._output,
            cached_input_tokens=self._cache_read,
            cache_write_tokens=self._cache_write,
            reasoning_tokens=self._thinking,
        )
