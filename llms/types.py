"""What goes to a model and what comes back, whichever provider answers.

A `ModelClient` is asked with a `ModelRequest` and answers with a stream of `ModelEvent`: any number of deltas,
closed by exactly one `ModelResponse`. Failures are raised as `llms.errors.ModelError`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """Who speaks. `TOOL` carries the return of one tool call."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """A tool call as the model wrote it: `arguments` is the raw JSON text, which may be malformed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text between pictures."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture: base64 `data` of a `media_type`, or a `url`. `detail` ("low", "high", "auto") is a hint for OpenAI."""

    media_type: str = ""
    data: str = ""
    url: str = ""
    detail: str = ""


ContentPart = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class ModelMessage:
    """One message of the history. `call_id` and `is_error` are for `Role.TOOL`, `calls` for `Role.ASSISTANT`.

    `reasoning_signature` is Anthropic's, needed to send its thinking block back. `parts`, where a user's message has
    pictures, is all of it in its order; `text` is its texts alone. `message_id` is that of the stored message, "" where
    it is not stored under an id that is known yet. `is_summary` where it stands for messages that were left out.
    """

    role: Role
    text: str = ""
    calls: tuple[RequestedCall, ...] = ()
    call_id: str = ""
    is_error: bool = False
    reasoning: str = ""
    reasoning_signature: str = ""
    parts: tuple[ContentPart, ...] = ()
    message_id: str = field(default="", compare=False)
    is_summary: bool = False

    @property
    def images(self) -> tuple[ImagePart, ...]:
        """The pictures of the message."""
        return tuple(part for part in self.parts if isinstance(part, ImagePart))


@dataclass(frozen=True, slots=True)
class ModelTool:
    """A tool as the model is told of it; `parameters` is a JSON schema of type object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One question to a model.

    `model` is the handle without its provider ("gpt-4.1"). `parallel` is the effective flag; `sends_parallel` is
    false where the model refuses the parameter, then it is left out of the wire request. `forced_tools`, when not
    empty, are the only tools the model may call now, and it must call one. `wants_summary` where the answer is to be a
    summary of what the messages tell: a model that is no LLM could not know.
    """

    model: str
    messages: tuple[ModelMessage, ...]
    tools: tuple[ModelTool, ...] = ()
    parallel: bool = False
    sends_parallel: bool = True
    forced_tools: tuple[str, ...] = ()
    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    thinking_budget: int | None = None
    wants_summary: bool = False


class FinishReason(StrEnum):
    """Why the model stopped. There is none for a truncated stream: that is `errors.TruncatedResponse`."""

    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    FILTER = "filter"


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one response, as the provider reported them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's visible reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call: the first piece of a call has its `id` and `name`, later ones only `arguments`.

    `index` is the call's place in the response, counted from 0.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


ModelDelta = TextDelta | ReasoningDelta | CallDelta


@dataclass(frozen=True, slots=True)
class ModelResponse:
    """One complete answer. Calls keep the provider's ids, which may be empty or repeated (the engine replaces those)."""

    finish: FinishReason
    text: str = ""
    reasoning: str = ""
    reasoning_signature: str = ""
    calls: tuple[RequestedCall, ...] = ()
    usage: Usage = field(default_factory=Usage)
    model: str = ""


ModelEvent = ModelDelta | ModelResponse


class ModelClient(Protocol):
    """The port to a provider. `stream` raises `llms.errors.ModelError` and nothing else of its own."""

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Ask once: deltas as they arrive, then one `ModelResponse`. Never retries by itself."""
        ...
