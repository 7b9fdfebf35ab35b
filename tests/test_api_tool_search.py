"""Search in the library over the API: names count more than descriptions, rare words more than common ones."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.api_client import Api

pytestmark = pytest.mark.django_db

LIBRARY = {
    "get_weather": ("Tells the weather of a city.", "city", ["web"]),
    "get_forecast": ("Tells what the weather of a city will be.", "city", ["web", "slow"]),
    "send_mail": ("Sends a mail to a person about the weather or anything else.", "recipient", []),
    "convert_money": ("Converts money from one currency into another.", "amount", ["finance"]),
}


@pytest.fixture
def api() -> Api:
    made = Api()
    for name, (about, parameter, tags) in LIBRARY.items():
        source = f'def {name}({parameter}: str) -> str:\n    """{about}\n\n    Args:\n        {parameter}: It.\n    """\n    return ""\n'
        made.post("/tools/", {"source_code": source, "tags": tags})
    return made


def names(api: Api, **asked: Any) -> list[str]:
    return [result["tool"]["name"] for result in api.post("/tools/search", asked)]


def test_the_best_match_comes_first(api: Api) -> None:
    assert names(api, query="weather")[0] == "get_weather"
    assert set(names(api, query="weather")) == {"get_weather", "get_forecast", "send_mail"}
    assert names(api, query="Weather forecast")[:2] == ["get_forecast", "get_weather"]
    assert names(api, query="recipient") == ["send_mail"]
    assert names(api, query="finance") == ["convert_money"]
    assert names(api, query="fore") == ["get_forecast"]
    assert names(api, query="a zebra's") == names(api, query="a")
    assert names(api, query="zebra") == []


def test_a_result_tells_its_rank_and_what_was_searched(api: Api) -> None:
    best, second, *_ = api.post("/tools/search", {"query": "weather", "search_mode": "fts"})
    assert (best["fts_rank"], second["fts_rank"], best["vector_rank"]) == (1, 2, None)
    assert best["combined_score"] > second["combined_score"] > 0
    assert "Tells the weather of a city." in best["embedded_text"]
    assert best["tool"] == api.get(f"/tools/{best['tool']['id']}")


def test_results_can_be_narrowed(api: Api) -> None:
    assert names(api, query="city", tags=["slow", "finance"]) == ["get_forecast"]
    assert names(api, query="weather", limit=1) == ["get_weather"]
    assert names(api, query="weather", tool_types=["external_mcp"]) == []
    assert len(names(api, query="weather", tool_types=["custom"])) == 3


def test_without_a_query_the_newest_come_first(api: Api) -> None:
    assert names(api, limit=2, tool_types=["custom"]) == ["convert_money", "send_mail"]
    assert api.post("/tools/search", {})[0]["fts_rank"] is None


def test_every_search_mode_searches_the_text(api: Api) -> None:
    assert api.post("/tools/search", {"query": "a", "search_mode": "vector"}) == api.post(
        "/tools/search", {"query": "a"}
    )
    assert "limit" in api.post("/tools/search", {"query": "a", "limit": 0}, status=422)["detail"]


def test_searching_many_takes_as_many_queries_as_searching_few(api: Api) -> None:
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            names(api, query="weather")
        counts.append(len(asked))
        for number in range(8):
            api.make_tool(f"weather_{number}")
    assert counts[0] == counts[1]
