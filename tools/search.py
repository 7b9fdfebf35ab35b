"""Full-text search in the library: names, descriptions, tags and parameters, the best match first."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.models import Tool

# A word in the name says more about a tool than one in its tags, and that more than one in its description.
_NAME, _TAGS, _TEXT = 4, 3, 1
# BM25's usual constants: how soon repeating a word stops counting, how much a long text is held against it.
_SATURATION, _LENGTH = 1.2, 0.75
# A word that only begins like the one asked for counts half.
_PREFIX = 0.5
_SHORTEST_PREFIX = 3


@dataclass(frozen=True, slots=True)
class Match:
    """A tool that was found; `rank` counts from 1, `text` is what was searched."""

    tool: Tool
    rank: int
    text: str


def search(tools: Iterable[Tool], query: str) -> list[Match]:
    """The tools that have a word of the query, the best first; of equal ones the first name."""
    asked = list(dict.fromkeys(_words(query)))
    documents = [(tool, _weighted(tool)) for tool in tools]
    scored = list(zip((tool for tool, _ in documents), _scores(asked, [words for _, words in documents]), strict=True))
    found = sorted(((tool, score) for tool, score in scored if score > 0), key=lambda pair: (-pair[1], pair[0].name))
    return [Match(tool, rank, searched_text(tool)) for rank, (tool, _) in enumerate(found, 1)]


def searched_text(tool: Tool) -> str:
    """What is searched of a tool, as a text."""
    parts = [tool.name, tool.description, " ".join(tool.tags), " ".join(tool.parameters.get("properties", {}))]
    return "\n".join(part for part in parts if part)


def _scores(asked: Sequence[str], documents: Sequence[Counter[str]]) -> list[float]:
    """BM25 of each document; 0 where none of the words is in it."""
    lengths = [sum(words.values()) for words in documents]
    average = sum(lengths) / len(lengths) if lengths else 1.0
    scores = [0.0] * len(documents)
    for word in asked:
        counts = [_count(word, words) for words in documents]
        holders = sum(1 for count in counts if count)
        rarity = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
        for place, (count, length) in enumerate(zip(counts, lengths, strict=True)):
            damping = _SATURATION * (1 - _LENGTH + _LENGTH * length / (average or 1.0))
            scores[place] += rarity * count * (_SATURATION + 1) / (count + damping)
    return scores


def _count(word: str, words: Counter[str]) -> float:
    if len(word) < _SHORTEST_PREFIX:
        return words[word]
    begun = sum(count for other, count in words.items() if other != word and other.startswith(word))
    return words[word] + _PREFIX * begun


def _weighted(tool: Tool) -> Counter[str]:
    words: Counter[str] = Counter()
    texts = (
        (_NAME, tool.name),
        (_TAGS, " ".join(tool.tags)),
        (_TEXT, tool.description),
        (_TEXT, " ".join(tool.parameters.get("properties", {}))),
    )
    for weight, text in texts:
        for word in _words(text):
            words[word] += weight
    return words


def _words(text: str) -> list[str]:
    """The words in lower case; snake_case and camelCase are several."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W_]+", apart.lower())
