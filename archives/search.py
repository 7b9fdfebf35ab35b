"""Search in archival memory: full text always, vectors where an embedding model made some, both fused by their ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import QuerySet

from access.json_lists import holding
from archives.full_text import PASSAGES
from archives.models import Passage
from archives.vectors import nearest, vectors_of

DEFAULT_TOP_K = 10
MOST_RESULTS = 1000
# Reciprocal rank fusion: how much the first rank weighs against the tenth. The usual number.
_FUSION = 60
# How deep each ranking is read before they are fused.
_DEPTH = 50


class TagMatch(StrEnum):
    """Whether a passage needs one of the tags or all of them."""

    ANY = "any"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. Without a query the newest passages are found. `start` and `end` are inclusive and have
    time zones."""

    query: str = ""
    tags: Sequence[str] = ()
    tag_match: TagMatch = TagMatch.ANY
    start: datetime | None = None
    end: datetime | None = None
    top_k: int = DEFAULT_TOP_K


@dataclass(frozen=True, slots=True)
class Found:
    """A passage, how well it fits (more is better; 0 without a query), and its place in each ranking, from 1."""

    passage: Passage
    score: float = 0.0
    full_text_rank: int | None = None
    vector_rank: int | None = None


Question = dict[str, bytes | None]
"""The query's vector by embedding model."""


def question_for(passages: QuerySet[Passage], query: str) -> Question:
    """The query as each of the archives' models embeds it. Blocks while the providers work: a search that must not hold
    a database thread for so long asks this first, elsewhere."""
    return embed_question(models_of(passages), query)


def models_of(passages: QuerySet[Passage]) -> list[str]:
    """The embedding models that have made vectors of these passages."""
    handles = passages.exclude(embedding=None).exclude(archive__embedding="").order_by()
    return sorted(handles.values_list("archive__embedding", flat=True).distinct())


def embed_question(handles: Iterable[str], query: str) -> Question:
    """The query as each of these models embeds it; None where one cannot."""
    return {handle: vectors_of(handle, [query])[0] for handle in handles} if query.strip() else {}


def search(passages: QuerySet[Passage], wanted: Wanted, question: Question | None = None) -> list[Found]:
    """At most `top_k` of the passages, best first; newest first without a query. `question` is the query's vectors,
    where the caller has them already."""
    fitting = _fitting(passages, wanted)
    limit = max(0, min(wanted.top_k, MOST_RESULTS))
    if not wanted.query.strip():
        return [Found(passage) for passage in fitting.order_by("-created_at", "-pk")[:limit]]
    vectors = question_for(passages, wanted.query) if question is None else question
    depth = max(limit, _DEPTH)
    by_words = PASSAGES.matching(fitting, wanted.query, depth)
    by_meaning = _by_meaning(fitting, vectors, depth)
    if not by_words and not by_meaning:
        # Languages that put no spaces between words, and signs that are no words.
        literal = fitting.filter(text__icontains=wanted.query.strip()).order_by("-created_at", "-pk")
        by_words = list(literal.values_list("pk", flat=True)[:depth])
    return _fuse(by_words, by_meaning, limit)


def _fitting(passages: QuerySet[Passage], wanted: Wanted) -> QuerySet[Passage]:
    fitting = passages.filter(holding("tags", wanted.tags, every=wanted.tag_match is TagMatch.ALL))
    if wanted.start is not None:
        fitting = fitting.filter(created_at__gte=wanted.start)
    if wanted.end is not None:
        fitting = fitting.filter(created_at__lte=wanted.end)
    return fitting


def _by_meaning(passages: QuerySet[Passage], question: Question, limit: int) -> list[str]:
    """The nearest of each model's vectors. Those of two models cannot be compared: their ranks are fused as well."""
    rankings = []
    for handle, vector in question.items():
        if vector is not None:
            stored = passages.filter(archive__embedding=handle).exclude(embedding=None).order_by()
            rankings.append(nearest(vector, stored.values_list("pk", "embedding").iterator(), limit))
    scores = _scores(rankings)
    return sorted(scores, key=lambda pk: (-scores[pk], pk))[:limit]


def _fuse(by_words: Sequence[str], by_meaning: Sequence[str], limit: int) -> list[Found]:
    scores = _scores([by_words, by_meaning])
    best = sorted(scores, key=lambda pk: (-scores[pk], pk))[:limit]
    passages = Passage.objects.select_related("archive").in_bulk(best)
    places = [{pk: rank for rank, pk in enumerate(ranking, 1)} for ranking in (by_words, by_meaning)]
    return [Found(passages[pk], scores[pk], places[0].get(pk), places[1].get(pk)) for pk in best if pk in passages]


def _scores(rankings: Iterable[Sequence[str]]) -> dict[str, float]:
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, pk in enumerate(ranking, 1):
            scores[pk] += 1 / (_FUSION + rank)
    return scores
