"""The tool web_search: what the search services are asked, and what the model is told of their answers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pytest_django import Settings

from engine.specs import Outcome, ToolResult
from tools.direct import call_directly
from tools.models import Tool
from tools.toolbox import Equipment
from tools.web import searching
from tools.web.searching import WEB_SEARCH


@dataclass
class Service:
    """A search service on this machine: it gives `answer`, and keeps what it was asked."""

    answer: Any = field(default_factory=dict)
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            service.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(service.status)
            self.send_header("content-type", "application/json")
            self.end_headers()
            body = service.answer if isinstance(service.answer, str) else json.dumps(service.answer)
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/search"
    monkeypatch.setattr(searching, "SERVICES", tuple(replace(each, url=url) for each in searching.SERVICES))
    yield service
    server.shutdown()
    server.server_close()


def search(environment: dict[str, str] | None = None, **arguments: Any) -> ToolResult:
    tool = Tool(name="web_search", tool_type=WEB_SEARCH.tool_type, json_schema=WEB_SEARCH.json_schema)
    return asyncio.run(call_directly(tool, json.dumps(arguments), Equipment(tool, environment or {})))


def test_without_a_key_it_says_which_variable_to_set() -> None:
    result = search(query="tides")
    assert (result.outcome, "EXA_API_KEY or TAVILY_API_KEY" in result.text) == (Outcome.ERROR, True)


def test_exa_is_asked_in_its_words(service: Service, settings: Settings) -> None:
    settings.EXA_API_KEY = "exa-key"
    service.answer = {
        "results": [
            {
                "title": "Tides",
                "url": "https://a.example/",
                "publishedDate": "2026-01-02",
                "author": None,
                "highlights": ["High at noon"],
            }
        ]
    }
    result = search(
        query="tides today",
        num_results=3,
        category="news",
        include_domains=["a.example"],
        start_published_date="2026-01-01",
        user_location="GB",
    )
    assert service.headers[0]["x-api-key"] == "exa-key"
    (asked,) = service.asked
    assert asked.pop("contents")["highlights"]
    assert asked == {
        "query": "tides today",
        "type": "auto",
        "numResults": 3,
        "category": "news",
        "includeDomains": ["a.example"],
        "startPublishedDate": "2026-01-01",
        "userLocation": "GB",
    }
    assert json.loads(result.text) == {
        "query": "tides today",
        "results": [
            {
                "title": "Tides",
                "url": "https://a.example/",
                "published_date": "2026-01-02",
                "highlights": ["High at noon"],
            }
        ],
    }


def test_whole_texts_come_only_where_they_are_asked_for(service: Service, settings: Settings) -> None:
    settings.EXA_API_KEY = "exa-key"
    search(query="x")
    search(query="x", include_text=True)
    assert ["text" in asked["contents"] for asked in service.asked] == [False, True]


def test_tavily_is_asked_in_its_words(service: Service, settings: Settings) -> None:
    settings.TAVILY_API_KEY = "tavily-key"
    service.answer = {
        "results": [{"title": "T", "url": "https://b.example/", "content": "passage", "raw_content": None}]
    }
    result = search(query="tides", num_results=90, category="news", end_published_date="2026-02-01T10:00:00Z")
    assert service.headers[0]["authorization"] == "Bearer tavily-key"
    assert service.asked == [
        {"query": "tides", "max_results": 20, "topic": "news", "include_raw_content": False, "end_date": "2026-02-01"}
    ]
    assert json.loads(result.text)["results"] == [
        {"title": "T", "url": "https://b.example/", "highlights": ["passage"]}
    ]


def test_the_agents_own_key_comes_before_the_servers(service: Service, settings: Settings) -> None:
    settings.EXA_API_KEY = "of the server"
    search({"EXA_API_KEY": "of the agent"}, query="x")
    assert service.headers[0]["x-api-key"] == "of the agent"


@pytest.mark.parametrize(
    ("status", "answer", "why"),
    [
        (401, {"error": "bad key"}, "Is EXA_API_KEY right?"),
        (500, {"error": "down"}, "Exa answered 500"),
        (200, "<html>", "no JSON"),
    ],
)
def test_a_service_that_fails_is_an_error_return(
    service: Service, settings: Settings, status: int, answer: Any, why: str
) -> None:
    settings.EXA_API_KEY = "exa-key"
    service.status, service.answer = status, answer
    result = search(query="x")
    assert (result.outcome, why in result.text, "exa-key" in result.text) == (Outcome.ERROR, True, False)


def test_nothing_found_is_an_empty_list(service: Service, settings: Settings) -> None:
    settings.EXA_API_KEY = "exa-key"
    service.answer = {"results": []}
    assert json.loads(search(query="x").text) == {"query": "x", "results": []}


def test_a_count_out_of_range_is_refused_before_anybody_is_asked(service: Service, settings: Settings) -> None:
    settings.EXA_API_KEY = "exa-key"
    assert search(query="x", num_results=0).outcome is Outcome.ERROR
    assert service.asked == []
