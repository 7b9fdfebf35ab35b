"""How the demo model reads a message: words with their places, clauses, quotations, and what a message is to say."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from llms.demo.words import NEGATIONS, VERBS, stem

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|`([^`]+)`|(?<!\w)'([^'\n]{2,})'(?!\w)")
_BOUNDARY = re.compile(
    r"[.!?;:](?=\s|$)|\n|,|\b(?:and|then|afterwards|after that|plus|also|but|while)\b|&", re.IGNORECASE
)
_HARD = re.compile(r"[.!?;\n]")
# "let the team know" is "msg the team know": of the same length, and a word that the rest understands.
_LET_KNOW = re.compile(r"\blet(?=\s+(?!me\b)(?:(?:the|my|our)\s+)?\w+\s+know\b)", re.IGNORECASE)
_TO_ME = re.compile(r"\b(?:tell|show|give|let|remind)\s+me\b(?:\s+know\b)?", re.IGNORECASE)
# A message's text begins after one of these, if the clause has a word of saying before it.
_SAYING = re.compile(
    r"\b(?:send|tell|msg|notify|inform|message|ping|announce|alert|write|post|reply|say|note|email|mail)\w*\b", re.I
)
_INTRODUCES = re.compile(
    r"\b(?:that|saying|says|say(?!\s+about)|which says|reading|with the text|telling)\b[:,]?\s*|:\s+", re.I
)
_GOES_ON = re.compile(r"\s*(?:saying|telling|which says|that says|with the text)\b", re.I)
_TOLD = re.compile(
    r"\b(?i:(?:tell|msg|notify|inform|message|ping|alert)\w*)\s+"
    r"(?:(?i:(?:the|my|our)\s+\w+|everyone|everybody|him|her|them|us)|[A-Z]\w+)\s+"
    r"(?i:know\s+)?(?i:that\s+|about\s+|to\s+)?(?=\w)"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word at its place in the message."""

    text: str
    stem: str
    start: int
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Quotation:
    """A quoted text; `start` is the place of its opening mark."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the message that wants one thing. `is_saying`: it has a word of saying. `said` is what a message is to say, empty when the clause says nothing of
    the kind; `said_at` is where that begins, or the clause's end."""

    start: int
    end: int
    text: str
    said: str = ""
    said_at: int = 0
    is_saying: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A message, read. Words inside quotations and inside what a message is to say do not count as wishes."""

    text: str
    words: tuple[Word, ...]
    clauses: tuple[Clause, ...]
    quotations: tuple[Quotation, ...] = ()
    wishes: tuple[Word, ...] = field(default=())

    def clause_at(self, place: int) -> int:
        """The number of the clause at this place."""
        found = [number for number, clause in enumerate(self.clauses) if clause.start <= place]
        return found[-1] if found else 0


def read(text: str, nouns: frozenset[str] = frozenset()) -> Reading:
    """Read a message; `nouns` are stems of what the tools work on, which tell wishes apart."""
    quotations = tuple(
        Quotation(next(group for group in found.groups() if group), found.start(), found.end())
        for found in _QUOTED.finditer(text)
    )
    # Same length, so that places stay the same.
    masked = _LET_KNOW.sub("msg", _mask(text, quotations))
    masked = _TO_ME.sub(lambda found: " " * len(found.group()), masked)
    clauses = tuple(_split(text, masked, nouns))
    words = tuple(_read_words(masked))
    wishes = tuple(word for word in words if not word.is_negated and not _is_said(word, clauses))
    return Reading(text, words, clauses, quotations, wishes)


def _mask(text: str, quotations: tuple[Quotation, ...]) -> str:
    for quotation in quotations:
        text = text[: quotation.start] + " " * (quotation.end - quotation.start) + text[quotation.end :]
    return text


def _read_words(masked: str) -> list[Word]:
    words: list[Word] = []
    negated_until = -1
    for number, found in enumerate(_WORD.finditer(masked)):
        if words and _BOUNDARY.search(masked, words[-1].start, found.start()):
            negated_until = -1
        if found.group().lower().replace("’", "'") in NEGATIONS:
            negated_until = number + 4
        words.append(Word(found.group(), stem(found.group()), found.start(), number <= negated_until))
    return words


def _split(text: str, masked: str, nouns: frozenset[str]) -> list[Clause]:
    """Clauses end at full stops, and at "and" or a comma when what follows wants something of its own, which a verb or one
    of the tools' nouns tells: "tides and currents" stay together."""
    cuts = [0]
    for found in _BOUNDARY.finditer(masked):
        rest = masked[found.end() :]
        following = _BOUNDARY.search(rest.lstrip(" ,"))
        ahead = rest.lstrip(" ,")[: following.start()] if following else rest
        if _GOES_ON.match(rest):
            continue
        if _HARD.match(found.group()) or _wants_something(ahead, nouns):
            cuts.append(found.start())
    cuts.append(len(text))
    return [_read_clause(text, masked, start, end) for start, end in itertools.pairwise(cuts) if end > start]


def _wants_something(text: str, nouns: frozenset[str]) -> bool:
    words = [found.group().lower() for found in _WORD.finditer(text)]
    return any(stem(word) in VERBS for word in words[:3]) or any(stem(word) in nouns for word in words)


def _read_clause(text: str, masked: str, start: int, end: int) -> Clause:
    own = masked[start:end]
    saying = _SAYING.search(own)
    if saying is None:
        return Clause(start, end, text[start:end], said_at=end)
    introduced = _INTRODUCES.search(own, saying.start()) or _TOLD.match(own, saying.start())
    said = text[start + introduced.end() : end].strip(" ,.;\n") if introduced else ""
    said_at = start + introduced.end() if introduced and said else end
    return Clause(start, end, text[start:end], _in_first_person(said), said_at, is_saying=True)


def _is_said(word: Word, clauses: tuple[Clause, ...]) -> bool:
    return any(clause.said_at <= word.start < clause.end for clause in clauses)


_PERSONS = (
    (r"\byou(?:'|’)ve\b", "I've"), (r"\byou(?:'|’)re\b", "I'm"), (r"\byou(?:'|’)ll\b", "I'll"), (r"\byou are\b", "I am"),
    (r"\byou were\b", "I was"), (r"\byourself\b", "myself"), (r"\byours\b", "mine"), (r"\byour\b", "my"), (r"\byou\b", "I"),
)  # fmt: skip


def _in_first_person(said: str) -> str:
    """What the user wants the agent to say of itself: "you have started" becomes "I have started"."""
    said = re.sub(r"^that\s+", "", said.strip("\"“”'` "), flags=re.IGNORECASE)
    for pattern, instead in _PERSONS:
        said = re.sub(pattern, instead, said, flags=re.IGNORECASE)
    return said[:1].upper() + said[1:]
