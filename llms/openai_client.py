"""OpenAI, and everything that speaks its chat completions, on the official SDK.

Measured: the SDK takes a stream that ends without a finish reason for a complete answer, so that is refused here
(rule 3.9); it reads keys and base URLs from the environment unless both are passed; it retries behind our back unless
told not to.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk

from llms.call_pieces import CallPieces
from llms.catalogue import describe
from llms.errors import ModelError, TruncatedResponse, Unavailable
from llms.openai_request import is_official, write_request
from llms.provider_errors import Asked, Refusal, explain_refusal, lost_connection, read_retry_after
from llms.types import (
    CallDelta,
    FinishReason,
    ModelDelta,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ReasoningDelta,
    TextDelta,
    Usage,
)

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_NO_KEY = "no-key"  # The SDK wants one; local endpoints ignore it.
# The SDK lets broken JSON and broken UTF-8 in a stream out as they are.
_FAILURES = (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, UnicodeError)
_INTERRUPTED = frozenset({"error", "insufficient_system_resource"})


class OpenAIClient:
    """One connection pool to one endpoint. `timeout` is the longest silence in seconds, not the whole answer's time.

    An empty `api_key` is for endpoints that want none. Close with `aclose`.
    """

    def __init__(self, *, base_url: str = DEFAULT_BASE_URL, api_key: str = "", timeout: float = 300.0) -> None:
        self.base_url = base_url or DEFAULT_BASE_URL
        self._key = api_key
        self._sdk = AsyncOpenAI(
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
        known = describe(f"openai/{request.model}")
        body = write_request(request, known, is_official=is_official(self.base_url))
        asked = Asked("OpenAI", request.model, "OPENAI_API_KEY", "parallel_tool_calls" in body)
        answer = _Answer()
        try:
            async with await self._sdk.chat.completions.create(**body) as stream:
                async for chunk in stream:
                    for delta in answer.add(chunk):
                        yield delta
        except _FAILURES as error:
            raise self._explain(asked, error) from error
        yield answer.finish(asked)

    async def list_models(self) -> tuple[str, ...]:
        """The names of the models that the endpoint offers. Raises `ModelError`."""
        try:
            return tuple([model.id async for model in self._sdk.models.list()])
        except _FAILURES as error:
            raise self._explain(Asked("OpenAI", "its list of models", "OPENAI_API_KEY"), error) from error

    def _explain(self, asked: Asked, error: Exception) -> ModelError:
        return explain_failure(asked, error, key=self._key)


def explain_failure(asked: Asked, error: Exception, *, key: str) -> ModelError:
    """The error to raise for what the SDK raised; `key` is cut out of the endpoint's words."""
    if not isinstance(error, openai.APIError) or isinstance(error, openai.APIConnectionError):
        return lost_connection(asked, error)
    message = error.message.replace(key, "…") if key else error.message
    status, retry_after = 0, None
    if isinstance(error, openai.APIStatusError):
        status, retry_after = error.status_code, read_retry_after(error.response.headers)
    kind = " ".join(str(word) for word in (error.code, error.type) if word)
    return explain_refusal(asked, Refusal(status, message, kind, str(error.param or ""), retry_after))


class _Answer:
    """One answer as it grows."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = CallPieces()
        self._finish: str | None = None
        self._usage = Usage()
        self._model = ""

    def add(self, chunk: ChatCompletionChunk) -> list[ModelDelta]:
        """Take a chunk; gives what is new in it."""
        self._model = chunk.model or self._model
        if chunk.usage:
            self._usage = _read_usage(chunk.usage)
        deltas: list[ModelDelta] = []
        for choice in (chunk.choices or [])[:1]:
            self._finish = choice.finish_reason or self._finish
            if choice.delta:
                deltas += self._read_delta(choice.delta)
        return deltas

    def finish(self, asked: Asked) -> ModelResponse:
        """The whole answer. Raises `TruncatedResponse` when the stream just ended (rule 3.9)."""
        if self._finish is None:
            raise TruncatedResponse(f"{asked.provider}'s answer broke off: the stream ended without a finish reason.")
        if self._finish in _INTERRUPTED:
            raise Unavailable(f"{asked.provider} gave up in the middle of its answer ({self._finish}).")
        calls = self._calls.finish()
        return ModelResponse(
            finish=_read_finish(self._finish, has_calls=bool(calls)),
            text="".join(self._text),
            reasoning="".join(self._reasoning),
            calls=calls,
            usage=self._usage,
            model=self._model,
        )

    def _read_delta(self, delta: Any) -> list[ModelDelta]:
        """`delta` is the SDK's, untyped here because compatible endpoints add fields and leave others out."""
        deltas: list[ModelDelta] = []
        if reasoning := _read_reasoning(delta):
            self._reasoning.append(reasoning)
            deltas.append(ReasoningDelta(reasoning))
        if text := (delta.content or getattr(delta, "refusal", None)):
            self._text.append(text)
            deltas.append(TextDelta(text))
        return deltas + [self._read_call(piece) for piece in delta.tool_calls or []]

    def _read_call(self, piece: Any) -> CallDelta:
        function = piece.function
        return self._calls.add(
            index=getattr(piece, "index", None),
            id=piece.id or "",
            name=(function and function.name) or "",
            arguments=(function and function.arguments) or "",
        )


def _read_reasoning(delta: Any) -> str:
    """Compatible endpoints stream reasoning in one of two fields of their own; some fill both with the same text."""
    for name in ("reasoning_content", "reasoning"):
        value = getattr(delta, name, None)
        if isinstance(value, str) and value:
            return value
    return ""


def _read_finish(reason: str, *, has_calls: bool) -> FinishReason:
    """A forced call ends with "stop" at OpenAI, and compatible endpoints have words of their own: calls decide."""
    match reason:
        case "length":
            return FinishReason.LENGTH
        case "content_filter":
            return FinishReason.FILTER
        case _:
            return FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP


def _read_usage(usage: CompletionUsage) -> Usage:
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        cached_input_tokens=(prompt and prompt.cached_tokens) or 0,
        cache_write_tokens=(prompt and prompt.cache_write_tokens) or 0,
        reasoning_tokens=(completion and completion.reasoning_tokens) or 0,
    )
