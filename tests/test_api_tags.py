"""Tags over the API: a plain list of texts."""

from __future__ import annotations

import pytest

from tests.api_client import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    made = Api()
    made.make_agent(tags=["red", "blue"])
    made.make_agent(tags=["Red wine", "green", "blue"])
    made.make_agent()
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Red wine", "blue", "green", "red"]),
        ("?order=desc", ["red", "green", "blue", "Red wine"]),
        ("?name=red", ["Red wine", "red"]),
        ("?query_text=EE", ["green"]),
        ("?limit=2", ["Red wine", "blue"]),
        ("?limit=2&after=blue", ["green", "red"]),
        ("?after=red", []),
        ("?limit=2&before=red", ["blue", "green"]),
        ("?limit=2&order=desc&after=green", ["blue", "Red wine"]),
        ("?limit=1&order=desc&before=blue", ["green"]),
        ("?after=c", ["green", "red"]),
        ("?limit=0", []),
    ],
)
def test_tags_are_listed_by_the_alphabet_each_its_own_cursor(api: Api, query: str, found: list[str]) -> None:
    assert api.get(f"/tags/{query}") == found
