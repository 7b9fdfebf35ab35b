"""Fakes that ship: a client that says its lines, and complains about lines unsaid and questions too many."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from llms.errors import ModelError, TruncatedResponse
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

AskedCall = str | tuple[str, Mapping[str, Any] | str] | RequestedCall


@dataclass(frozen=True, slots=True)
class Line:
    """One answer of a script: the deltas, then a response or an error."""

    deltas: tuple[ModelDelta, ...]
    response: ModelResponse | None = None
    error: ModelError | None = None


def says(text: str, *, finish: FinishReason = FinishReason.STOP, reasoning: str = "") -> Line:
    """The model answers with text and stops."""
    return _line(ModelResponse(finish, text, reasoning, usage=Usage(10, 5)))


def asks_for(
    *calls: AskedCall, text: str = "", finish: FinishReason = FinishReason.TOOL_CALLS, reasoning: str = ""
) -> Line:
    """The model asks for these tools in one response: names, (name, arguments) pairs, or whole `RequestedCall`s.

    Arguments are an object, or raw text for malformed ones. Ids are made up: call_1, call_2, ...
    """
    written = tuple(_write_call(number, call) for number, call in enumerate(calls, start=1))
    return _line(ModelResponse(finish, text, reasoning, calls=written, usage=Usage(10, 5)))


def fails(error: ModelError, *, after: Iterable[ModelDelta] = ()) -> Line:
    """The provider fails, after these deltas."""
    return Line(tuple(after), error=error)


def truncated(*calls: AskedCall, text: str = "") -> Line:
    """The stream ends without a finish reason, in the middle of these calls (rule 3.9)."""
    deltas = asks_for(*calls, text=text).deltas
    return Line(deltas, error=TruncatedResponse("The answer broke off: the stream ended without a finish reason."))


class ScriptedClient:
    """Gives its lines in order, one per request, and keeps the `requests`.

    Use it as a context manager, or call `verify()`, to have unsaid lines complained about.
    """

    def __init__(self, *lines: Line) -> None:
        self._lines = list(lines)
        self._said = 0
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Say the next line. Raises `AssertionError` when there is none left."""
        self.requests.append(request)
        if self._said == len(self._lines):
            raise AssertionError(f"asked {len(self.requests)} times, but the script has {len(self._lines)} lines")
        line = self._lines[self._said]
        self._said += 1
        for delta in line.deltas:
            yield delta
        if line.error is not None:
            raise line.error
        if line.response is not None:
            yield line.response

    def verify(self) -> None:
        """Raises `AssertionError` when lines were left unsaid."""
        unsaid = self._lines[self._said :]
        if unsaid:
            raise AssertionError(f"{len(unsaid)} of {len(self._lines)} lines were never said; the first: {unsaid[0]}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.verify()


def _write_call(number: int, call: AskedCall) -> RequestedCall:
    if isinstance(call, RequestedCall):
        return call
    name, arguments = (call, {}) if isinstance(call, str) else call
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return RequestedCall(f"call_{number}", name, text)


def _line(response: ModelResponse) -> Line:
    deltas: list[ModelDelta] = []
    if response.reasoning:
        deltas.append(ReasoningDelta(response.reasoning))
    if response.text:
        deltas.append(TextDelta(response.text))
    for index, call in enumerate(response.calls):
        deltas += [CallDelta(index, call.id, call.name), CallDelta(index, arguments=call.arguments)]
    return Line(tuple(deltas), response)
