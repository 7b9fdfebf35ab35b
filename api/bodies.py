"""Reading of JSON bodies. What no database could store is refused here, before it is half stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja.parser import Parser


class JsonBodies(Parser):
    """Strict JSON. Raises ValueError with what is wrong, which becomes 422."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body's value."""
        try:
            value = json.loads(request.body, parse_constant=_refuse_constant)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        # Escaped, so that the bytes tell cheaply whether a closer look is needed.
        if b"\\u" in request.body:
            for text in _texts(value):
                _check_text(text)
        return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text holds the character U+0000")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half of a surrogate pair") from None


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys included."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            rest += [*item, *item.values()]
        elif isinstance(item, list):
            rest += item
