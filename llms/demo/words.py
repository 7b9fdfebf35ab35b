"""The words that the demo model knows: light stemming, synonyms, and which words say nothing by themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_IRREGULAR = {
    "sent": "send", "told": "tell", "said": "say", "found": "find", "wrote": "write", "written": "write", "ran": "run",
    "got": "get", "made": "make", "die": "dice", "news": "news", "children": "child", "people": "person",
    "has": "has", "was": "was", "this": "this", "is": "is", "us": "us", "its": "its", "does": "does",
}  # fmt: skip

_STOP_WORDS = """
a an the this that these those my our your his her its their me you i we us it he she they them is are was were be been am
do does did have has had can could would should will shall may might must please kindly just only also too then now and or
but so if of on in at to from for by with about into over through via using as up out any some all what which who whom whose
when where why how there here not no want need like let help thanks thank hello hi hey okay ok once again both each every
everywhere
"""

# Verbs and nouns that many tools share: hit alone they do not tell which tool is meant.
_GENERIC_WORDS = """
get set fetch make do run call use tool execute perform read write update list show give create add new insert append remove
delete put take check open start begin post store data info information result value text string number name item user agent
return content
"""

_VERB_WORDS = """
search look find google research query browse send msg tell notify inform message ping announce alert write jot note remember save
store add sum multiply divide subtract calculate compute evaluate count roll flip translate convert fetch get read open list
show check run execute call use ask create make delete remove update insert append email mail schedule book wait sleep draw
plot summarize summarise explain report start stop set put give post reply answer greet say try tag compare
"""

_SYNONYM_GROUPS = """
search lookup look find google research seek browse query hunt
web internet online google website site
database db sql table record dataset
send tell notify inform message ping announce alert
message notify tell inform announce ping reply dm msg
email mail
weather forecast temperature rain sunny
time clock hour
date today calendar
calculate calculator compute math arithmetic evaluate
add sum plus total
multiply times product
subtract minus difference
divide quotient
note memo jot
remember memory memorize memorise recall
delete remove erase
create make new
file document
image picture photo
translate translation translator
sleep wait pause delay
fetch download get
count tally
price cost
schedule book plan appointment meeting
shell bash command terminal
"""

STOP = frozenset(_STOP_WORDS.split())
NEGATIONS = frozenset("not don't dont never without no skip except doesn't isn't won't".split())  # noqa: SIM905


@lru_cache(maxsize=4096)
def stem(word: str) -> str:
    """A word's stem, good enough to match "searches" with "search" and "notified" with "notify"."""
    word = word.lower().replace("’", "'").removesuffix("'s")
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for suffix, instead in (
        ("ies", "y"),
        ("ied", "y"),
        ("ing", ""),
        ("ed", ""),
        ("sses", "ss"),
        ("ches", "ch"),
        ("s", ""),
    ):
        kept = len(word) - len(suffix)
        if word.endswith(suffix) and kept >= 3 and not (suffix == "s" and word.endswith(("ss", "us", "is"))):
            word = word[:kept] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def split_name(name: str) -> tuple[str, ...]:
    """The words of a name: search_web, searchWeb and search-web have the same two."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(word.lower() for word in re.split(r"[^A-Za-z0-9]+", spaced) if word)


def stems(words: Iterable[str]) -> frozenset[str]:
    """The stems of those words that say something."""
    return frozenset(stem(word) for word in words if word.lower() not in STOP and len(word) > 1)


GENERIC = stems(_GENERIC_WORDS.split())
VERBS = frozenset(stem(word) for word in _VERB_WORDS.split())
_SYNONYM_STEMS = tuple(
    frozenset(stem(word) for word in group.split()) for group in _SYNONYM_GROUPS.strip().splitlines()
)


@lru_cache(maxsize=4096)
def synonyms(word_stem: str) -> frozenset[str]:
    """Stems that mean nearly the same, itself not among them."""
    found: frozenset[str] = frozenset().union(*(group for group in _SYNONYM_STEMS if word_stem in group))
    return found - {word_stem}


def nouns_of(name: str) -> frozenset[str]:
    """The stems of a tool's name that say where or on what it works, with their synonyms; verbs are left out, but for
    "message" and "note", which are what is sent or written."""
    own = {stem(word) for word in split_name(name) if len(word) > 1}
    nouns = {word for word in own if word not in VERBS or word in _THINGS}
    return frozenset(nouns).union(*(synonyms(word) - VERBS for word in nouns)) if nouns else frozenset()


_THINGS = frozenset(stem(word) for word in ("message", "note", "email", "mail"))
