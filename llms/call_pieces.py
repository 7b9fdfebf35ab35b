"""Puts the pieces of streamed tool calls together, also for endpoints that index them carelessly.

OpenAI gives each call its own `index`, and `id` and `name` in its first piece only. Compatible endpoints leave the index
out, give every call index 0, repeat id and name in every piece, or give every call the same id or none at all.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from llms.types import CallDelta, RequestedCall


@dataclass(slots=True)
class _OpenCall:
    place: int
    id: str
    name: str
    arguments: str = ""


class CallPieces:
    """The calls of one response so far, in the order in which they began."""

    def __init__(self) -> None:
        self._calls: list[_OpenCall] = []
        self._at_index: dict[int, _OpenCall] = {}

    def add(self, *, index: int | None, id: str = "", name: str = "", arguments: str = "") -> CallDelta:
        """Take one piece; gives the delta to show, whose `index` is the call's place counted from 0."""
        current = self._at_index.get(index) if index is not None else self._last()
        if current is None or _begins_another(current, id, name, arguments):
            current = _OpenCall(len(self._calls), id, name)
            self._calls.append(current)
            delta = CallDelta(current.place, id, name, arguments)
        else:
            delta = CallDelta(current.place, arguments=arguments)
            current.id = current.id or id
            current.name = current.name or name
        current.arguments += arguments
        if index is not None:
            self._at_index[index] = current
        return delta

    def finish(self) -> tuple[RequestedCall, ...]:
        """All calls with ids as they came; no arguments at all means an empty object."""
        return tuple(RequestedCall(call.id, call.name, call.arguments or "{}") for call in self._calls)

    def _last(self) -> _OpenCall | None:
        return self._calls[-1] if self._calls else None


def _begins_another(current: _OpenCall, id: str, name: str, arguments: str) -> bool:
    """Whether a piece at the place of `current` is the first piece of another call.

    A new id or name says so. With the same name and id again, only arguments that are complete already do: a proper
    prefix of a JSON object is never complete, so a further piece with arguments must belong to the next call.
    """
    if id and current.id and id != current.id:
        return True
    if not name:
        return False
    if current.name and name != current.name:
        return True
    return bool(arguments) and _is_complete(current.arguments)


def _is_complete(arguments: str) -> bool:
    try:
        json.loads(arguments)
    except ValueError:
        return False
    return True
