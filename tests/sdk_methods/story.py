"""Tells the story through the Python SDK, and judges answers of any client."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from letta_client import APIStatusError, AsyncLetta, AsyncStream, BaseModel, Letta, Stream
from letta_client._base_client import BaseAsyncPage, BaseSyncPage

from tests.sdk_methods.scenario import ANY, SCENARIO, Step


@dataclass(frozen=True)
class Told:
    """How one step ended: "" where as it must, else what was wrong."""

    method: str
    wrong: str


class Teller:
    """Keeps what the steps keep, fills it in, and compares answers with what they must hold."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known: dict[str, Any] = dict(known)

    def fill(self, value: Any) -> Any:
        """The value with every "$name" replaced."""
        if isinstance(value, str):
            return self._known.get(value[1:], value) if value.startswith("$") else value
        if isinstance(value, Mapping) and "$file" in value:
            text = self.fill(value["text"])
            return (value["$file"], (text if isinstance(text, str) else json.dumps(text)).encode())
        if isinstance(value, Mapping):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list | tuple) else value

    def judge(self, step: Step, answer: Any) -> Told:
        """Whether the answer, as plain JSON values, holds what it must; what the step keeps is kept."""
        try:
            for path, wanted in step.expect.items():
                found = look_up(answer, str(self.fill(path)))
                if found is None or (wanted != ANY and found != self.fill(wanted)):
                    return Told(step.method, f"{path or 'the answer'} is {found!r}, not {self.fill(wanted)!r}")
            self._known.update({name: look_up(answer, path) for name, path in step.keep.items()})
        except (KeyError, IndexError, TypeError) as error:
            return Told(step.method, f"the answer lacks {error}: {str(answer)[:200]}")
        return Told(step.method, "")

    def judge_refusal(self, step: Step, error: APIStatusError) -> Told:
        """Whether the call had to be refused so, and without inviting the client to try again."""
        if error.status_code != step.refused:
            return Told(step.method, f"{error.status_code}: {str(error)[:200]}")
        may_retry = error.response.headers.get("x-should-retry") != "false"
        return Told(step.method, "the client is not told to leave it" if may_retry else "")


def look_up(answer: Any, path: str) -> Any:
    """The value at a path such as "0.id"; "length" is that of a list. Raises KeyError, IndexError, TypeError."""
    for part in filter(None, path.split(".")):
        if part == "length" and isinstance(answer, list):
            answer = len(answer)
        else:
            answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def plain(answer: Any) -> Any:
    """An SDK's objects as JSON values."""
    if isinstance(answer, BaseModel):
        return answer.model_dump(mode="json", by_alias=True)
    if isinstance(answer, Mapping):
        return {key: plain(value) for key, value in answer.items()}
    return [plain(item) for item in answer] if isinstance(answer, list) else answer


def method_of(client: Letta | AsyncLetta, name: str) -> Callable[..., Any]:
    """The client's method of that dotted name."""
    found: Any = client
    for part in name.split("."):
        found = getattr(found, part)
    method: Callable[..., Any] = found
    return method


def tell(client: Letta, known: Mapping[str, str]) -> Iterable[Told]:
    """Call every method of the story, one after another."""
    teller = Teller(known)
    for step in SCENARIO:
        try:
            answer = method_of(client, step.method)(*teller.fill(step.at), **teller.fill(step.params))
            told = teller.judge(step, plain(_read(answer, step)))
            yield Told(step.method, f"answered, not refused with {step.refused}") if step.refused else told
        except APIStatusError as error:
            yield teller.judge_refusal(step, error)


def _read(answer: Any, step: Step) -> Any:
    if isinstance(answer, BaseSyncPage):
        return list(answer)
    if isinstance(answer, Stream):
        with answer:
            return [next(iter(answer))] if step.takes == "first" else list(answer)
    return answer


async def tell_async(client: AsyncLetta, known: Mapping[str, str]) -> list[Told]:
    """The same through the asynchronous client."""
    teller, told = Teller(known), []
    for step in SCENARIO:
        try:
            asked = method_of(client, step.method)(*teller.fill(step.at), **teller.fill(step.params))
            answer = await asked if inspect.isawaitable(asked) else asked
            one = teller.judge(step, plain(await _read_async(answer, step)))
            told.append(Told(step.method, f"answered, not refused with {step.refused}") if step.refused else one)
        except APIStatusError as error:
            told.append(teller.judge_refusal(step, error))
    return told


async def _read_async(answer: Any, step: Step) -> Any:
    if isinstance(answer, BaseAsyncPage):
        return [item async for item in answer]
    if isinstance(answer, AsyncStream):
        async with answer:
            return [await anext(aiter(answer))] if step.takes == "first" else [item async for item in answer]
    return answer
