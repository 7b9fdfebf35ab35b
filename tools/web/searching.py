"""The built-in tool web_search: Exa's or Tavily's search, whichever the operator or the agent has a key of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from engine.ports import OnOutput
from tools.built_in import BuiltIn, ToolFault
from tools.models import ToolType
from tools.toolbox import Equipment

SECONDS = 30.0
_USUAL, _MOST = 10, 100
_SHOWN_CHARACTERS = 1_000
CATEGORIES = (
    "company",
    "research paper",
    "news",
    "pdf",
    "github",
    "tweet",
    "personal site",
    "linkedin profile",
    "financial report",
)

Arguments = Mapping[str, Any]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Service:
    """One search service: the variable with its key, where it is asked, what it is asked, and how its answer is read."""

    name: str
    variable: str
    url: str
    headers: Callable[[str], dict[str, str]]
    question: Callable[[Arguments], Json]
    read: Callable[[Json], Json]


async def web_search(equipment: Equipment, arguments: Arguments, on_output: OnOutput) -> str:
    """What the web has about argument `query`, as JSON text. Raises ToolFault."""
    service, key = _chosen(equipment)
    answer = await _ask(service, key, arguments)
    results = [_without_gaps(service.read(found)) for found in answer.get("results") or ()]
    return json.dumps({"query": arguments["query"], "results": results}, ensure_ascii=False)


def _chosen(equipment: Equipment) -> tuple[Service, str]:
    """The service that there is a key of: the agent's own variable, or the server's."""
    for service in SERVICES:
        key = equipment.environment.get(service.variable) or getattr(settings, service.variable)
        if key:
            return service, key
    variables = " or ".join(service.variable for service in SERVICES)
    raise ToolFault(
        f"there is no key of a search service. The operator has to set {variables} for the server, or as a variable of "
        "this agent."
    )


async def _ask(service: Service, key: str, arguments: Arguments) -> Json:
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as client:
            answer = await client.post(service.url, json=service.question(arguments), headers=service.headers(key))
    except httpx.HTTPError as error:
        raise ToolFault(f"{service.name} cannot be reached: {error or type(error).__name__}.") from error
    if answer.is_error:
        hint = f" Is {service.variable} right?" if answer.status_code in (401, 403) else ""
        raise ToolFault(f"{service.name} answered {answer.status_code}: {answer.text[:300]}{hint}")
    try:
        found = answer.json()
    except ValueError as error:
        raise ToolFault(f"{service.name} answered something that is no JSON.") from error
    return found if isinstance(found, dict) else {}


def _count(arguments: Arguments, most: int) -> int:
    return min(max(int(arguments.get("num_results") or _USUAL), 1), most)


def _ask_exa(given: Arguments) -> Json:
    contents: Json = {"highlights": {"numSentences": 3, "highlightsPerUrl": 3}}
    if given.get("include_text"):
        contents["text"] = True
    question = {
        "query": given["query"],
        "type": "auto",
        "numResults": _count(given, _MOST),
        "contents": contents,
        "category": given.get("category"),
        "includeDomains": given.get("include_domains"),
        "excludeDomains": given.get("exclude_domains"),
        "startPublishedDate": given.get("start_published_date"),
        "endPublishedDate": given.get("end_published_date"),
        "userLocation": given.get("user_location"),
    }
    return _without_gaps(question)


def _read_exa(found: Json) -> Json:
    return {
        "title": found.get("title"),
        "url": found.get("url"),
        "published_date": found.get("publishedDate"),
        "author": found.get("author"),
        "highlights": found.get("highlights"),
        "text": found.get("text"),
    }


def _ask_tavily(given: Arguments) -> Json:
    question = {
        "query": given["query"],
        "max_results": _count(given, 20),
        "topic": "news" if given.get("category") == "news" else "general",
        "include_raw_content": bool(given.get("include_text")),
        "include_domains": given.get("include_domains"),
        "exclude_domains": given.get("exclude_domains"),
        "start_date": _day(given.get("start_published_date")),
        "end_date": _day(given.get("end_published_date")),
    }
    return _without_gaps(question)


def _read_tavily(found: Json) -> Json:
    return {
        "title": found.get("title"),
        "url": found.get("url"),
        "published_date": found.get("published_date"),
        "highlights": [str(found.get("content") or "")[:_SHOWN_CHARACTERS]],
        "text": found.get("raw_content"),
    }


def _day(moment: str | None) -> str | None:
    return moment[:10] if moment else None


def _without_gaps(values: Json) -> Json:
    return {name: value for name, value in values.items() if value not in (None, [], "")}


SERVICES = (
    Service("Exa", "EXA_API_KEY", "https://api.exa.ai/search", lambda key: {"x-api-key": key}, _ask_exa, _read_exa),
    Service(
        "Tavily",
        "TAVILY_API_KEY",
        "https://api.tavily.com/search",
        lambda key: {"Authorization": f"Bearer {key}"},
        _ask_tavily,
        _read_tavily,
    ),
)


def _text(description: str) -> Json:
    return {"type": "string", "description": description}


def _texts(description: str) -> Json:
    return {"type": "array", "items": {"type": "string"}, "description": description}


WEB_SEARCH = BuiltIn(
    "web_search",
    ToolType.LETTA_BUILTIN,
    "Search the web. Gives for each result its title, address and the passages that fit; fetch_webpage reads a whole page.",
    {
        "type": "object",
        "properties": {
            "query": _text("What to look for, in a few words or a sentence."),
            "num_results": {
                "type": "integer",
                "description": f"How many results, from 1 to {_MOST}; {_USUAL} without it.",
                "minimum": 1,
                "maximum": _MOST,
            },
            "category": {"type": "string", "enum": list(CATEGORIES), "description": "Only results of this kind."},
            "include_text": {
                "type": "boolean",
                "description": "Whether to give the whole text of each result, which is long.",
            },
            "include_domains": _texts("Only results of these domains."),
            "exclude_domains": _texts("No results of these domains."),
            "start_published_date": _text("Only what was published since then: 2026-01-31."),
            "end_published_date": _text("Only what was published until then."),
            "user_location": _text("Two letters of the country to search from: GB."),
        },
        "required": ["query"],
    },
    web_search,
    is_parallel=True,
    tags=("web",),
)
