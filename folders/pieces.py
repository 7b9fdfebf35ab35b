"""A text cut into pieces that search can find: whole lines together, long lines in parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# Characters: a few paragraphs, so that a hit is worth reading and not worth skimming.
_FULL = 1_200


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines `first` to `last` of a text, counted from 1. A long line alone is in several pieces."""

    first: int
    last: int
    text: str


def pieces_of(text: str) -> Iterator[Lines]:
    """The pieces in their order; those of nothing but space are left out. An empty line ends a piece that is half full."""
    gathered: list[str] = []
    first, length = 1, 0
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        ends_paragraph = not line.strip() and length >= _FULL // 2
        if gathered and (length + len(line) > _FULL or ends_paragraph):
            yield from _piece(first, number - 1, "\n".join(gathered))
            gathered, length = [], 0
        if not gathered:
            first = number
        if len(line) > _FULL:
            for start in range(0, len(line), _FULL):
                yield from _piece(number, number, line[start : start + _FULL])
            continue
        gathered.append(line)
        length += len(line) + 1
    if gathered:
        yield from _piece(first, first + len(gathered) - 1, "\n".join(gathered))


def _piece(first: int, last: int, text: str) -> Iterator[Lines]:
    if text.strip():
        yield Lines(first, last, text)
