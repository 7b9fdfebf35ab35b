"""Secret values never reach what is shown or stored: they are replaced wherever a tool prints or returns them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

Listener = Callable[[str, str], None]
"""Told the name of an output stream and a piece of its text."""

MASK = "•••"
# Shorter values would mask ordinary words; nobody protects anything with them.
SHORTEST_SECRET = 4


class Redactor:
    """Replaces secrets in whole texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {value for value in secrets if len(value) >= SHORTEST_SECRET}
        # A key of several lines, or one with quotes, is written otherwise inside JSON and inside what repr() says.
        known |= {written for value in known for written in _written(value)}
        # The longest first, so that a secret that contains another goes as a whole.
        self._secrets = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._secrets))) if self._secrets else None

    def clean(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text

    def stream(self) -> RedactedStream:
        """For a text that comes in pieces."""
        return RedactedStream(self, self._secrets)

    @contextmanager
    def listening(self, on_output: Listener | None) -> Iterator[Listener | None]:
        """A listener to a tool's output that passes on what may be shown, all of it by the end of the block."""
        if on_output is None or self._pattern is None:
            yield on_output
            return
        streams: dict[str, RedactedStream] = {}

        def listen(name: str, piece: str) -> None:
            if shown := streams.setdefault(name, self.stream()).feed(piece):
                on_output(name, shown)

        try:
            yield listen
        finally:
            for name, stream in streams.items():
                if held := stream.rest():
                    on_output(name, held)


def _written(secret: str) -> set[str]:
    return {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}


class RedactedStream:
    """Replaces secrets in a text that comes in pieces, also one that is cut between two of them."""

    def __init__(self, redactor: Redactor, secrets: list[str]) -> None:
        self._redactor = redactor
        self._secrets = secrets
        self._held = ""

    def feed(self, piece: str) -> str:
        """What may be shown now. An end that could be the beginning of a secret is held back."""
        text = self._redactor.clean(self._held + piece)
        keep = self._beginning_at_end(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, when nothing follows."""
        held, self._held = self._held, ""
        return held

    def _beginning_at_end(self, text: str) -> int:
        longest = max(map(len, self._secrets), default=0)
        for length in range(min(longest - 1, len(text)), 0, -1):
            end = text[-length:]
            if any(secret.startswith(end) for secret in self._secrets):
                return length
        return 0
