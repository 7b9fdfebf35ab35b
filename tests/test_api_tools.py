"""Tools over the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from access.keys import first_person, make_api_key

pytestmark = pytest.mark.django_db

SEARCH = '''
def search_web(query: str) -> str:
    """Search the web.

    Args:
        query: What to look for.
    """
    return query
'''


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def send(client: Client, method: str, path: str, body: dict[str, Any] | None = None, status: int = 200) -> Any:
    answer = client.generic(method, f"/v1{path}", json.dumps(body or {}), "application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_tool_is_derived_from_its_source(client: Client) -> None:
    tool = send(client, "POST", "/tools/", {"source_code": SEARCH})
    assert (tool["name"], tool["description"]) == ("search_web", "Search the web.")
    assert (tool["enable_parallel_execution"], tool["default_requires_approval"]) == (False, False)
    assert (tool["return_char_limit"], tool["source_type"], tool["tool_type"]) == (50_000, "python", "custom")
    assert tool["json_schema"]["parameters"]["required"] == ["query"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_taken_name_changes_that_tool_and_leaves_the_toggle(client: Client, method: str) -> None:
    first = send(client, "POST", "/tools/", {"source_code": SEARCH, "enable_parallel_execution": True, "tags": ["x"]})
    second = send(client, method, "/tools/", {"source_code": SEARCH.replace("the web", "it all")})
    assert second["id"] == first["id"]
    assert (second["description"], second["enable_parallel_execution"]) == ("Search it all.", True)
    assert second["tags"] == ["x"]


def test_own_fields_are_kept_and_given_back(client: Client) -> None:
    own = {
        "timeout_seconds": 2.5,
        "max_concurrency": 2,
        "lock_group": "db",
        "safe_to_retry": True,
        "network": "off",
    }
    tool = send(client, "POST", "/tools/", {"source_code": SEARCH, **own})
    assert {name: tool[name] for name in own} == own
    patched = send(client, "PATCH", f"/tools/{tool['id']}", {"max_concurrency": None})
    assert (patched["max_concurrency"], patched["lock_group"]) == (None, "db")


def test_a_patch_changes_one_field_alone(client: Client) -> None:
    tool = send(client, "POST", "/tools/", {"source_code": SEARCH, "enable_parallel_execution": True})
    patched = send(client, "PATCH", f"/tools/{tool['id']}", {"metadata_": {"a": 1}})
    assert {key for key in tool if tool[key] != patched[key]} == {"metadata_", "updated_at"}


def test_what_the_source_lacks_is_said_with_its_line(client: Client) -> None:
    answer = send(client, "POST", "/tools/", {"source_code": "def f(a: int) -> int:\n    return a\n"}, 400)
    assert "Function f missing docstring (line 1)" in answer["detail"]
    assert "Field required" in send(client, "POST", "/tools/", {}, 422)["detail"]


def test_tools_are_found_by_name_and_deleted(client: Client) -> None:
    tool = send(client, "POST", "/tools/", {"source_code": SEARCH})
    assert [found["id"] for found in send(client, "GET", "/tools/?name=search_web")] == [tool["id"]]
    assert [found["id"] for found in send(client, "GET", "/tools/?search=WEB")] == [tool["id"]]
    assert send(client, "GET", "/tools/?tool_types=letta_core") == []
    assert send(client, "GET", "/tools/?exclude_tool_types=custom,letta_core") == []
    send(client, "DELETE", f"/tools/{tool['id']}")
    assert send(client, "GET", "/tools/") == []
