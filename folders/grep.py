"""Searching texts line by line with a pattern that somebody else wrote, within a bounded time."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import regex

_LONGEST_PATTERN = 1_000
# Of a line that is shown.
_LONGEST_LINE = 500
# Matches that are counted; nobody pages further.
MOST_MATCHES = 1_000


class BadPattern(ValueError):
    """A pattern that is no regular expression, or takes too long; says so to the model."""


@dataclass(frozen=True, slots=True)
class Match:
    """A line that matches, with the lines around it: (number from 1, text)."""

    path: str
    number: int
    lines: tuple[tuple[int, str], ...]


@dataclass(slots=True)
class Grep:
    """One search: a pattern, how many lines of context, and the time (of `time.monotonic`) when it gives up."""

    pattern: regex.Pattern[str]
    context: int
    deadline: float
    matches: list[Match] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether there are so many matches that the rest is not looked for."""
        return len(self.matches) >= MOST_MATCHES

    def search_all(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add the matches of the texts, (path, text) each, until there are enough. Raises BadPattern."""
        for path, text in texts:
            if not self.is_full:
                self.search(path, text)

    def search(self, path: str, text: str) -> None:
        """Add the matches of one text. Raises BadPattern where the time is over."""
        lines = text.split("\n")
        for number, line in enumerate(lines, 1):
            if self._matches(line):
                around = range(max(1, number - self.context), min(len(lines), number + self.context) + 1)
                self.matches.append(Match(path, number, tuple((at, lines[at - 1][:_LONGEST_LINE]) for at in around)))
                if self.is_full:
                    return

    def _matches(self, line: str) -> bool:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise _too_slow()
        try:
            # Without the interpreter's lock: others go on while a slow pattern is tried.
            return self.pattern.search(line, timeout=left, concurrent=True) is not None
        except TimeoutError as error:
            raise _too_slow() from error


def compiled(pattern: str) -> regex.Pattern[str]:
    """The pattern, to be found in any case of letters. Raises BadPattern."""
    if not pattern:
        raise BadPattern("The pattern is empty. Say what to look for.")
    if len(pattern) > _LONGEST_PATTERN:
        raise BadPattern(f"The pattern has {len(pattern):,} characters; {_LONGEST_PATTERN:,} is the most.")
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise BadPattern(
            f"{pattern!r} is no regular expression: {error}. Put a backslash before special signs."
        ) from error


def matching_names(pattern: regex.Pattern[str], names: Iterable[str], deadline: float) -> Iterator[str]:
    """Those of the names in which the pattern is found. Raises BadPattern where the time is over."""
    for name in names:
        try:
            if pattern.search(name, timeout=max(0.001, deadline - time.monotonic())):
                yield name
        except TimeoutError as error:
            raise _too_slow() from error


def _too_slow() -> BadPattern:
    return BadPattern("The search took too long. Use a simpler pattern, or fewer files with `include`.")
