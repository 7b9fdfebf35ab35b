"""What a message says for one wished call: the topic, the text to send, numbers, names, places. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from llms.demo.intent import Wish
from llms.demo.reading import Clause, Quotation, Reading
from llms.demo.words import GENERIC, STOP, VERBS, split_name, stem, synonyms

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w]|\.\d)")
_NUMBER_WORDS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "eleven": 11, "twelve": 12, "twenty": 20, "hundred": 100,
}  # fmt: skip
_PROPER = re.compile(
    r"\b(?:in|at|for|near|from|to|of)\s+((?:[A-ZÀ-Þ][\w'’-]+)(?:[ ,]+(?:de|la|of|the|[A-ZÀ-Þ][\w'’-]+))*)"
)
_RECIPIENT = re.compile(
    r"\b(?:to|tell|notify|inform|message|email|ping|ask|alert)\s+((?:the\s+\w+)|everyone|[A-Z]\w+(?:\s[A-Z]\w+)?)"
)
_ABOUT = re.compile(r"\b(?:about|for|regarding|concerning|on the topic of|on|of|into|called|named)\b\s*", re.I)
_QUESTION = re.compile(
    r"^\W*(?:what|who|where|when|why|how|which)(?:['’]s)?\b(?:\s+(?:is|are|was|were|do|does|did|can|much|many))*", re.I
)
_ARTICLE = re.compile(r"^(?:(?:the|a|an|some|any|more|all|info|information|details|facts|everything|out|up|me|us|please|it)\b\s*(?:about\b|on\b)?\s*)+", re.I)  # fmt: skip
_TAIL = re.compile(r"[\s,]*(?:\b(?:and|or|then|please|in|on|at|from|with|using|via|to|for|the|a|both|also|too|as well|there|now|you|that|of)\b[\s,]*)+$", re.I)  # fmt: skip
_SOURCE = r"(?:\b(?:on|in|from|over|through|using|via|with|at|across|inside|both|by)\s+)*(?:\b(?:the|our|my|your|a|an|its)\s+)?"


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
    number = reading.clause_at(wish.place)
    clause = reading.clauses[number] if reading.clauses else Clause(0, len(reading.text), reading.text)
    quotations = _own_quotations(wish, reading, others)
    places = _PROPER.findall(clause.text) or _PROPER.findall(reading.text)
    recipient = _RECIPIENT.search(clause.text)
    topic = quotations[0] if quotations else _find_topic(number, reading, others)
    said = quotations[0] if quotations else clause.said
    return Evidence(
        text=reading.text.strip(),
        clause=clause.text.strip(" ,.;:!?\n"),
        topic=topic or _shorten(reading.text),
        said=said or _shorten(reading.text),
        has_topic=bool(topic),
        has_said=bool(said),
        quotations=quotations,
        numbers=_find_numbers(clause.text) or _find_numbers(reading.text),
        place=places[0].strip(" ,") if places else "",
        recipient=recipient[1] if recipient else "",
    )


def _own_quotations(wish: Wish, reading: Reading, others: tuple[Wish, ...]) -> tuple[str, ...]:
    """Quotations in the wish's own clause; a single quotation of the whole message belongs to every wish that has no text
    of its own."""
    number = reading.clause_at(wish.place)
    names = {other.tool.name for other in others}
    texts = [quotation for quotation in reading.quotations if quotation.text not in names]
    own = [quotation for quotation in texts if reading.clause_at(quotation.start) == number]
    if not own and len(texts) == 1 and not (reading.clauses and reading.clauses[number].said):
        own = [texts[0]] if _is_free(texts[0], reading, others) else []
    return tuple(quotation.text.strip() for quotation in own)


def _is_free(quotation: Quotation, reading: Reading, others: tuple[Wish, ...]) -> bool:
    """Whether no wish's clause holds this quotation as what it is to say."""
    clause = reading.clauses[reading.clause_at(quotation.start)]
    return not clause.said


def _find_topic(number: int, reading: Reading, others: tuple[Wish, ...]) -> str:
    """The topic of a clause, else of the nearest clause before it that has one, else after it: "look up tides on the web
    and in the database" looks up tides in both."""
    order = [number, *range(number - 1, -1, -1), *range(number + 1, len(reading.clauses))]
    for candidate in order:
        clause = reading.clauses[candidate]
        if candidate != number and clause.said:
            continue
        if topic := _topic_of(clause, others):
            return topic
    return ""


def _topic_of(clause: Clause, others: tuple[Wish, ...]) -> str:
    """What a clause is about: the clause without the places to look in, the verb and the small words around."""
    text = clause.text[: clause.said_at - clause.start] if clause.said else clause.text
    text = _QUESTION.sub("", text)
    for noun in _source_words(others):
        text = re.sub(rf"{_SOURCE}\b{re.escape(noun)}(?:s|es|'s)?\b", " ", text, flags=re.IGNORECASE)
    text = _drop_leading_verbs(text.strip(" ,.;:!?\n"))
    text = _ARTICLE.sub("", _ABOUT.sub("", text, count=1) if _ABOUT.match(text) else text)
    text = _TAIL.sub("", re.sub(r"\s+", " ", text)).strip(" ,.;:!?\"'")
    has_content = any(word.lower() not in STOP and stem(word) not in GENERIC for word in re.findall(r"\w+", text))
    return text if has_content else ""


def _source_words(wishes: tuple[Wish, ...]) -> list[str]:
    """Words that say where to look, not for what: those of the tools' names that are no verbs, and their synonyms."""
    found: list[str] = []
    for wish in wishes:
        found.append(wish.tool.name)
        for word in split_name(wish.tool.name):
            if stem(word) in VERBS and stem(word) not in ("messag", "not"):
                continue
            found += [word, *(other for other in synonyms(stem(word)) if other not in VERBS)]
    return sorted(dict.fromkeys(found), key=len, reverse=True)


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
