"""What a message says for one wished call: the topic, the text to send, numbers, names, places. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llms.demo.intent import Wish
from llms.demo.places import find_places
from llms.demo.reading import Clause, Reading
from llms.demo.words import GENERIC, STOP, VERBS, nouns_of, split_name, stem

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "twenty": 20, "hundred": 100,
}  # fmt: skip
_RECIPIENT = re.compile(
    r"\b(?:to|tell|notify|inform|message|email|ping|ask|alert)\s+((?:the\s+\w+)|everyone|[A-Z]\w+(?:\s[A-Z]\w+)?)"
)
_ABOUT = re.compile(r"\b(?:about|for|regarding|concerning|on the topic of|on|of|into|called|named)\b\s*", re.I)
_NOTHING = "demo"  # For a required text when the message holds none.
_QUESTION = re.compile(
    r"^\W*(?:what|who|where|when|why|how|which)(?:['’]s)?\b(?:\s+(?:is|are|was|were|do|does|did|can|much|many)\b)*",
    re.I,
)
_ARTICLE = re.compile(r"^(?:(?:the|a|an|some|any|more|all|info|information|details|facts|everything|out|up|me|us|please|it)\b\s*(?:about\b|on\b)?\s*)+", re.I)  # fmt: skip
_TAIL = re.compile(r"[\s,]*(?:\b(?:and|or|then|please|in|on|at|from|with|using|via|to|for|the|a|both|also|too|as well|there|now|you|that|of|say|says|saying)\b[\s,]*)+$", re.I)  # fmt: skip
_SMALL_WORDS = "on in from over through using via with at across inside both by and the our my your a an its"
_BEFORE_SOURCE = frozenset(_SMALL_WORDS.split())
# What stands in a clause without being its topic: addresses, "3 times", "5 results", "use all tools".
_NOISE = re.compile(
    r"https?://\S+|[\w.+-]+@[\w-]+\.[\w.]+|[*×]\s*\d+|\btwice\b|\b(?:\d+|two|three|four|five|six|seven|eight|nine|ten)\s+"
    r"(?:times|results|hits|pages|entries|records|matches)\b|"
    r"\b(?:all|every|each)\b(?:\s+(?:of|the|your|my|our|these|other))*\s+tools?\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the message says for one call. `topic` and `said` fall back to the whole message; `has_topic` and `has_said`
    tell whether they did not. `quotations` are those nearest to this wish."""

    text: str
    clause: str
    topic: str
    said: str
    has_topic: bool
    has_said: bool
    quotations: tuple[str, ...] = ()
    numbers: tuple[float, ...] = ()
    place: str = ""
    recipient: str = ""


def gather_evidence(wish: Wish, reading: Reading, others: tuple[Wish, ...]) -> Evidence:
    """Everything the message says for this wish; `others` are all wishes of the batch, this one included."""
    clause = reading.clauses[reading.clause_at(wish.place)]
    quotations = _own_quotations(wish, reading, others)
    places = find_places(clause.text) or find_places(reading.text)
    recipient = _RECIPIENT.search(clause.text)
    topic = quotations[0] if quotations else _find_topic(wish, reading, others)
    said = quotations[0] if quotations else clause.said
    instead = _whole_message(reading, others)
    return Evidence(
        text=reading.text.strip(),
        clause=clause.text.strip(" ,.;:!?\n"),
        topic=topic or instead,
        said=said or instead,
        has_topic=bool(topic),
        has_said=bool(said),
        quotations=quotations,
        numbers=_find_numbers(clause.text) or _find_numbers(reading.text),
        place=places[min(wish.share, len(places) - 1)] if places else "",
        recipient=recipient[1] if recipient else "",
    )


def _whole_message(reading: Reading, others: tuple[Wish, ...]) -> str:
    """The message without the tools' names, for a required text that nothing in the message is meant for."""
    text = whole = " ".join(reading.text.split())
    for wish in others:
        text = re.sub(rf"(?<!\w){re.escape(wish.tool.name)}(?!\w)(?:\s*\([^()]*\))?", " ", text)
    text = _NOISE.sub(" ", text)
    text = (text if text == whole else _drop_leading_verbs(text)).strip(" ,.;:!")
    return _shorten(text) if re.search(r"\w", text) else _NOTHING


def _own_quotations(wish: Wish, reading: Reading, others: tuple[Wish, ...]) -> tuple[str, ...]:
    """Quotations in the wish's own clause; a single quotation of the whole message belongs to every wish that has no text
    of its own, unless it is what a message is to say."""
    own_clause = reading.clauses[reading.clause_at(wish.place)]
    names = {other.tool.name for other in others}
    texts = [quotation for quotation in reading.quotations if quotation.text not in names]
    own = [quotation for quotation in texts if own_clause.start <= quotation.start < own_clause.end]
    if not own and len(texts) == 1 and not own_clause.said:
        elsewhere = reading.clauses[reading.clause_at(texts[0].start)]
        own = [] if elsewhere.is_saying else [texts[0]]
    return tuple(quotation.text.strip() for quotation in own)


def _find_topic(wish: Wish, reading: Reading, others: tuple[Wish, ...]) -> str:
    """The topic of the wish's clause, else of the nearest clause before it that has one, else after it: "look up tides on
    the web and in the database" looks up tides in both."""
    number = reading.clause_at(wish.place)
    order = [number, *range(number - 1, -1, -1), *range(number + 1, len(reading.clauses))]
    for candidate in order:
        clause = reading.clauses[candidate]
        if candidate != number and clause.is_saying:
            continue
        if topic := _topic_of(clause, wish, others):
            return topic
    return ""


def _topic_of(clause: Clause, wish: Wish, others: tuple[Wish, ...]) -> str:
    """What a clause is about: the clause without the places to look in, numbers that mean something else, the verb and the
    small words around."""
    text = clause.text[: clause.said_at - clause.start]
    text = _NOISE.sub(" ", _QUESTION.sub("", text))
    for name in wish.tool.parameters.get("properties") or {}:
        words = r"[\s_-]*".join(re.escape(word) for word in split_name(name))
        text = re.sub(rf"\b{words}\s*(?:[=:]\s*[\w.]+|(?:of\s+|is\s+)?\d+(?:\.\d+)?)", " ", text, flags=re.IGNORECASE)
    text = _drop_leading_verbs(_drop_sources(text, others).strip(" ,.;:!?\n"))
    text = _ARTICLE.sub("", _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text)
    text = _TAIL.sub("", re.sub(r"\s+", " ", text)).strip(" ,.;:!?\"'")
    has_content = any(word.lower() not in STOP and stem(word) not in GENERIC for word in re.findall(r"\w+", text))
    return text if has_content else ""


def _drop_sources(text: str, wishes: tuple[Wish, ...]) -> str:
    """The text without words that say where to look, not for what, and the small words before them ("on the web")."""
    sources = frozenset().union(*(nouns_of(wish.tool.name) for wish in wishes)) if wishes else frozenset()
    names = {wish.tool.name for wish in wishes}
    kept: list[str] = []
    for token in text.split():
        word = token.strip(".,;:!?()\"'`")
        if word in names or stem(word) in sources:
            while kept and kept[-1].lower() in _BEFORE_SOURCE:
                kept.pop()
            continue
        kept.append(token)
    return " ".join(kept)


def _drop_leading_verbs(text: str) -> str:
    """ "please look up tides" without "please look up"; stops at the first word with content."""
    while found := re.match(r"\W*([\w'’]+)[\s,]*", text):
        word = found[1].lower()
        if stem(word) not in VERBS and word not in STOP:
            break
        text = text[found.end() :]
    return text


def _find_numbers(text: str) -> tuple[float, ...]:
    digits = [(found.start(), float(found.group())) for found in _NUMBER.finditer(text)]
    words = [
        (found.start(), float(_NUMBER_WORDS[found.group().lower()]))
        for found in re.finditer(r"\b[a-zA-Z]+\b", text)
        if found.group().lower() in _NUMBER_WORDS
    ]
    return tuple(number for _, number in sorted(digits + words))


def _shorten(text: str, limit: int = 300) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
