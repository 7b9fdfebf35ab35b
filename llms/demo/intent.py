"""Which tools a message names or clearly wants, in the order in which it mentions them. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from llms.demo.places import PLACE_NAMES, find_places
from llms.demo.reading import Clause, Reading, Word
from llms.demo.words import GENERIC, STOP, split_name, stem, stems, synonyms
from llms.types import ModelTool

_ALL_TOOLS = re.compile(
    r"\b(?:all|every|each)\b(?:\s+(?:of|the|your|my|our|these|three|two|four|five|other))*\s+tools?\b", re.I
)
_CALL = re.compile(r"(?<![\w.])(?P<name>[A-Za-z_][\w-]*)\s*(?P<call>\((?P<inside>(?:[^()\"']|\"[^\"]*\"|'[^']*'|\([^()]*\))*)\))?(?:\s*[*×]\s*(?P<times>\d{1,3}))?")  # fmt: skip
_MOST_TIMES = 100
_VAGUE = 0.3  # What a word is worth that many tools share: not enough to call one.
_MOST_HINTED_TIMES = 10
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_TIMES = re.compile(rf"\b(?:(\d+|{'|'.join(_NUMBERS[1:])})\s+times|twice)\b", re.IGNORECASE)
_ASKS = re.compile(
    r"\W*(?:what|who|where|when|why|how|which|tell\s+me|explain|i\s+want\s+to\s+know|do\s+you\s+know)\b(?:['’]s)?",
    re.IGNORECASE,
)
_SEARCHES = frozenset({stem("search")} | synonyms(stem("search")))
_TAKES_LINK = frozenset({"url", "uri", "link"})
_LINK = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Wish:
    """A tool that is wanted, and the place in the message that says so. `written` holds the arguments of an explicit call,
    as they stand between the parentheses. `share` numbers the calls of a tool that is wanted several times."""

    tool: ModelTool
    place: int
    written: str | None = None
    share: int = 0


def find_wishes(reading: Reading, tools: Iterable[ModelTool]) -> tuple[Wish, ...]:
    """All wishes, in the order of the message. Explicit calls, `search_web(query="x")` or `search_web*3`, are taken
    literally and leave out what the message only hints at."""
    by_name = {tool.name: tool for tool in tools}
    explicit, is_literal = _find_explicit(reading, by_name)
    if is_literal:
        return tuple(explicit)
    named = {wish.tool.name for wish in explicit}
    hinted = _find_hinted(reading, by_name, must_be_clear=bool(named))
    wishes = explicit + [wish for wish in hinted if wish.tool.name not in named]
    if everything := _ALL_TOOLS.search(reading.text):
        named = {wish.tool.name for wish in wishes}
        wishes += [Wish(tool, everything.start()) for tool in by_name.values() if tool.name not in named]
    in_order = sorted(wishes, key=lambda wish: wish.place)
    return tuple(replace(wish, share=share) for wish in in_order for share in range(_times(wish, reading)))


def _is_question(clause: Clause, words: tuple[Word, ...]) -> bool:
    """Whether the clause asks for knowledge: that is what a search is for, even when none is named."""
    asks = _ASKS.match(clause.text)
    if asks is None:
        return False
    rest = [word for word in words if word.start >= clause.start + asks.end()]
    return any(word.text.lower() not in STOP and word.stem not in GENERIC for word in rest)


def _times(wish: Wish, reading: Reading) -> int:
    """How often the wish's clause asks for it: "roll the dice three times", "the weather in Paris, London and Rome"."""
    clause = reading.clauses[reading.clause_at(wish.place)].text
    if any(PLACE_NAMES & set(split_name(name)) for name in wish.tool.parameters.get("required") or ()):
        return max(1, min(len(find_places(clause)), _MOST_HINTED_TIMES))
    found = _TIMES.search(clause)
    if found is None:
        return 1
    word = (found[1] or "two").lower()
    return min(int(word) if word.isdigit() else _NUMBERS.index(word), _MOST_HINTED_TIMES)


def _find_explicit(reading: Reading, by_name: dict[str, ModelTool]) -> tuple[list[Wish], bool]:
    """Names as they are written, and whether one of them is written as a call or with a number of times. A name that is an
    ordinary word ("add") counts only when written so."""
    wishes: list[Wish] = []
    is_literal = False
    negated = {word.start for word in reading.words if word.is_negated}
    for found in _CALL.finditer(reading.text):
        tool = by_name.get(found["name"])
        if tool is None or found.start() in negated or _is_inside(reading, found.start()):
            continue
        literal = bool(found["call"] or found["times"])
        if not literal and len(split_name(tool.name)) == 1:
            continue
        is_literal = is_literal or literal
        times = min(int(found["times"] or 1), _MOST_TIMES)
        wishes += [Wish(tool, found.start(), found["inside"] if found["call"] else None)] * times
    if not is_literal:
        wishes = list({wish.tool.name: wish for wish in reversed(wishes)}.values())[::-1]
    return wishes, is_literal


def _is_inside(reading: Reading, place: int) -> bool:
    in_quotes = any(
        quotation.start < place < quotation.end - 1 and reading.text[quotation.start] != "`"
        for quotation in reading.quotations
    )
    return in_quotes or any(clause.said_at <= place < clause.end for clause in reading.clauses)


@dataclass(slots=True)
class _Score:
    points: float = 0.0
    place: int = 0
    best: float = 0.0


def _find_hinted(reading: Reading, by_name: dict[str, ModelTool], *, must_be_clear: bool) -> list[Wish]:
    """Tools whose words the message uses, clause by clause."""
    weights = _weigh_words(tuple(by_name.values()))
    found: list[Wish] = []
    for clause in reading.clauses:
        words = tuple(word for word in reading.wishes if clause.start <= word.start < clause.end)
        for name, place in _find_in_clause(clause, words, weights, by_name, must_be_clear=must_be_clear):
            found.append(Wish(by_name[name], place))
    return found


def _find_in_clause(
    clause: Clause,
    words: tuple[Word, ...],
    weights: _Weights,
    by_name: dict[str, ModelTool],
    *,
    must_be_clear: bool,
) -> list[tuple[str, int]]:
    """The tools that one clause means, each with its place. A word counts for as much as it tells the tools apart. With no
    tool clearly meant, those that are meant most are all taken ("search for tides" with two kinds of search), a question
    goes to whatever searches, and only then does it count what the descriptions say."""
    link = _LINK.search(clause.text)
    scores = {name: _score(words, weights, name) for name in by_name}
    for name, tool in by_name.items():
        if link and _TAKES_LINK & set(tool.parameters.get("properties") or ()):
            scores[name].points += 1.0
            scores[name].place = scores[name].place or clause.start + link.start()
    clear = _at_least(1.0, scores)
    if clear or must_be_clear:
        return clear
    most = max((score.points for score in scores.values()), default=0.0)
    if most > _VAGUE:
        return _at_least(most, scores)
    if _is_question(clause, words):
        asked = [(name, clause.start) for name in by_name if _SEARCHES & set(map(stem, split_name(name)))]
        if asked:
            return asked
    return _at_least(1.0, {name: _score(words, weights, name, with_descriptions=True) for name in by_name})


def _at_least(points: float, scores: dict[str, _Score]) -> list[tuple[str, int]]:
    return [(name, score.place) for name, score in scores.items() if score.points >= points]


@dataclass(frozen=True, slots=True)
class _Weights:
    """What each stem is worth for each tool: words of its name up to 1, of its description up to 0.5."""

    of_name: dict[str, dict[str, float]]
    of_description: dict[str, dict[str, float]]

    def known_stems(self) -> frozenset[str]:
        """All stems of all names."""
        return frozenset().union(*self.of_name.values()) if self.of_name else frozenset()


def _weigh_words(tools: tuple[ModelTool, ...]) -> _Weights:
    names = {tool.name: frozenset(stem(word) for word in split_name(tool.name) if len(word) > 1) for tool in tools}
    described = {tool.name: stems(re.findall(r"[A-Za-z]+", tool.description)) - GENERIC for tool in tools}
    name_count = Counter(word for words in names.values() for word in words)
    described_count = Counter(word for words in described.values() for word in words)
    return _Weights(
        {name: _weigh_name(words, name_count) for name, words in names.items()},
        {
            name: {word: 0.5 / described_count[word] ** 2 for word in words - names[name]}
            for name, words in described.items()
        },
    )


def _weigh_name(words: frozenset[str], count: Counter[str]) -> dict[str, float]:
    """Generic words tell little beside others, but all there is to tell when a name has no others."""
    has_own = bool(words - GENERIC)
    return {word: (0.3 if has_own and word in GENERIC else 1.0) / count[word] for word in words}


def _score(words: tuple[Word, ...], weights: _Weights, name: str, *, with_descriptions: bool = False) -> _Score:
    known = weights.known_stems()
    own, described = weights.of_name[name], weights.of_description[name]
    score = _Score()
    seen: set[str] = set()
    for word in words:
        hits = {word.stem: own[word.stem]} if word.stem in own else {}
        if not hits and word.stem not in known:
            hits = {other: own[other] for other in synonyms(word.stem) if other in own}
        if not hits and with_descriptions and word.stem in described:
            hits = {word.stem: described[word.stem]}
        for hit, worth in hits.items():
            if hit not in seen:
                seen.add(hit)
                score.points += worth
                if worth > score.best:
                    score.best, score.place = worth, word.start
    if own and set(own) <= seen:  # Every word of its name was used.
        score.points = max(score.points, 1.0)
    return score
