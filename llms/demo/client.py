"""`demo/planner`: a model that is built in, needs no key, and says plainly that it is no LLM.

It reads the schemas of its tools and the last message of the user, asks in one batch for the tools that the message names
or clearly wants, and sums up what they returned. The same question always gets the same answer. With the parallel flag off
it asks for one call per response, as real providers do then.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from llms.demo.arguments import draw_arguments
from llms.demo.intent import Wish, find_wishes
from llms.demo.reading import Reading, read
from llms.demo.words import nouns_of
from llms.errors import UnknownModel
from llms.types import (
    CallDelta,
    FinishReason,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelTool,
    RequestedCall,
    Role,
    TextDelta,
    Usage,
)

MODEL = "planner"
_WHO = "I am the built-in demo model, not an LLM"
_LONGEST_RETURN = 300
_LONGEST_LINE = 120
_MOST_LINES = 40


class DemoClient:
    """`pause` is the time in seconds between two pieces of the answer, so that streaming can be seen."""

    def __init__(self, *, pause: float = 0.015, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._pause = pause
        self._sleep = sleep

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer; see `llms.types.ModelClient`."""
        if request.model != MODEL:
            raise UnknownModel(f"The built-in provider has one model, demo/{MODEL}; there is no demo/{request.model}.")
        response = answer(request)
        for piece in re.findall(r"\s*\S+|\s+$", response.text):
            yield TextDelta(piece)
            await self._sleep(self._pause)
        for index, call in enumerate(response.calls):
            yield CallDelta(index, call.id, call.name)
            yield CallDelta(index, arguments=call.arguments)
            await self._sleep(self._pause)
        yield response

    async def list_models(self) -> tuple[str, ...]:
        """The one model."""
        return (MODEL,)

    async def aclose(self) -> None:
        """Nothing to close."""


def answer(request: ModelRequest) -> ModelResponse:
    """What the model answers: a pure function of the request."""
    if request.wants_summary:
        return _respond(request, summarise(request.messages[-1].text))
    asked, turn = _split_turn(request.messages)
    reading = read(asked, frozenset[str]().union(*(nouns_of(tool.name) for tool in request.tools)))
    wishes = find_wishes(reading, request.tools)
    allowed = request.forced_tools or tuple(tool.name for tool in request.tools)
    planned = [call for call in _plan(wishes, reading) if call.name in allowed]
    left = _leave_out_made(planned, turn)
    if not left and request.forced_tools:
        forced = [Wish(tool, 0) for name in allowed for tool in request.tools if tool.name == name][:1]
        left = _plan(tuple(forced), reading)
    if left:
        now = left if request.parallel else left[:1]
        first = 1 + sum(len(message.calls) for message in request.messages)
        calls = tuple(replace(call, id=f"demo_{number}") for number, call in enumerate(now, start=first))
        return _respond(request, _announce(now, len(left), has_begun=bool(turn)), calls)
    returns = [message for message in turn if message.role is Role.TOOL]
    said = _sum_up(returns, turn) if returns else _introduce(request.tools)
    return _respond(request, said if turn else f"{_look(request.messages)}{said}")


def _look(messages: tuple[ModelMessage, ...]) -> str:
    """What it says of pictures: that it cannot see them."""
    count = len(messages[-1].images) if messages else 0
    if not count:
        return ""
    return f"I cannot see {'the picture' if count == 1 else f'the {count} pictures'} that you sent. "


def _plan(wishes: tuple[Wish, ...], reading: Reading) -> list[RequestedCall]:
    """The calls for all wishes, still without ids. What two clauses want in the same words is wanted once."""
    planned: list[RequestedCall] = []
    places: dict[tuple[str, str], int] = {}
    for wish in wishes:
        arguments = json.dumps(draw_arguments(wish, reading, wishes), ensure_ascii=False)
        place = places.setdefault((wish.tool.name, arguments), wish.place)
        if wish.written is not None or place == wish.place:
            planned.append(RequestedCall("", wish.tool.name, arguments))
    return planned


def _split_turn(messages: tuple[ModelMessage, ...]) -> tuple[str, tuple[ModelMessage, ...]]:
    """The user's last words, and everything after them."""
    for place in range(len(messages) - 1, -1, -1):
        if messages[place].role is Role.USER and not messages[place].is_summary:
            return messages[place].text, messages[place + 1 :]
    return "", messages


def _leave_out_made(planned: list[RequestedCall], turn: tuple[ModelMessage, ...]) -> list[RequestedCall]:
    """Planned calls that were not made in this turn yet."""
    made = Counter(call.name for message in turn for call in message.calls)
    left: list[RequestedCall] = []
    for call in planned:
        if made[call.name]:
            made[call.name] -= 1
        else:
            left.append(call)
    return left


def _announce(now: list[RequestedCall], left: int, *, has_begun: bool) -> str:
    counted = Counter(call.name for call in now)
    names = _enumerate([f"{name}{f' {times} times' if times > 1 else ''}" for name, times in counted.items()])
    if has_begun:
        return f"Next I ask for {names}."
    if len(now) > 1:
        return f"{_WHO}. Your message asks for {names}; I ask for them in one batch."
    more = f", then for {left - 1} more, one at a time" if left > 1 else ""
    return f"{_WHO}. Your message asks for tools; I ask for {names}{more}."


def _sum_up(returns: list[ModelMessage], turn: tuple[ModelMessage, ...]) -> str:
    names = {call.id: call.name for message in turn for call in message.calls}
    failed = sum(message.is_error for message in returns)
    count = f"{len(returns)} tool {'call' if len(returns) == 1 else 'calls'}"
    head = f"{_WHO}, so I only repeat what came back from {count}" + (f", {failed} of them failed:" if failed else ":")
    return "\n".join([head, *(_sum_up_one(names.get(message.call_id, "a tool"), message) for message in returns)])


def _sum_up_one(name: str, message: ModelMessage) -> str:
    text = " ".join(message.text.split()) or "(nothing)"
    if len(text) > _LONGEST_RETURN:
        text = f"{text[: _LONGEST_RETURN - 1]}…"
    return f"- {name} failed: {text}" if message.is_error else f"- {name}: {text}"


def _introduce(tools: tuple[ModelTool, ...]) -> str:
    if not tools:
        return f"{_WHO}: I only plan tool calls, and this agent has no tools. Attach one, then name it in a message."
    described = "\n".join(f"- {tool.name}: {_first_sentence(tool.description)}" for tool in tools)
    example = tools[0]
    parameters = ", ".join(f"{name}=…" for name in list(example.parameters.get("properties") or {})[:2])
    return (
        f"{_WHO}: I only plan tool calls, and found none in your message. I can call:\n{described}\n"
        f"Say what you want in their words, or exactly: {example.name}({parameters}), or {example.name}*3 for three calls."
    )


def summarise(transcript: str) -> str:
    """A summary without an LLM: how every line of the transcript begins."""
    lines = [" ".join(line.split()) for line in transcript.splitlines() if line.strip()]
    shown = [line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in lines[-_MOST_LINES:]]
    left_out = [f"({len(lines) - len(shown)} lines before these are left out.)"] if len(lines) > len(shown) else []
    return "\n".join([f"{_WHO}; this is how the lines of the conversation began:", *left_out, *shown])


def _first_sentence(text: str) -> str:
    text = " ".join(text.split())
    return re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] or "(no description)"


def _enumerate(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _respond(request: ModelRequest, text: str, calls: tuple[RequestedCall, ...] = ()) -> ModelResponse:
    """Tokens are counted as words: nobody bills them."""
    finish = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
    prompt = sum(len(message.text.split()) for message in request.messages)
    completion = len(text.split()) + sum(len(call.arguments.split()) + 1 for call in calls)
    return ModelResponse(finish, text, calls=calls, usage=Usage(prompt, completion), model=f"demo/{MODEL}")
