"""Agents over the API: what is sent comes back true, what is not sent stays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from access.keys import first_person, make_api_key
from access.models import Activity
from agents.models import Agent

pytestmark = pytest.mark.django_db

Json = dict[str, Any]


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def send(client: Client, method: str, path: str, body: Json | None = None, status: int = 200) -> Any:
    answer = client.generic(method, f"/v1{path}", __import__("json").dumps(body or {}), "application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def make_tool(client: Client, name: str, **fields: Any) -> Json:
    source = f'def {name}() -> str:\n    """Does it."""\n    return ""\n'
    tool: Json = send(client, "POST", "/tools/", {"source_code": source, **fields})
    return tool


def flags(agent: Json) -> list[bool]:
    return [
        agent["llm_config"]["parallel_tool_calls"],
        agent["model_settings"]["parallel_tool_calls"],
        Agent.objects.get(pk=agent["id"]).parallel_tool_calls,
    ]


@pytest.mark.parametrize(
    ("sent", "is_on"),
    [
        ({}, False),
        ({"model_settings": {"provider_type": "openai"}}, False),
        ({"model_settings": {"provider_type": "openai", "parallel_tool_calls": True}}, True),
        ({"llm_config": {"parallel_tool_calls": True}}, True),
        ({"parallel_tool_calls": True, "model_settings": {"parallel_tool_calls": False}}, True),
        ({"llm_config": {"parallel_tool_calls": True}, "model_settings": {"parallel_tool_calls": False}}, False),
    ],
)
def test_all_places_of_the_flag_report_the_same_true_value(client: Client, sent: Json, is_on: bool) -> None:
    agent = send(client, "POST", "/agents/", {"model": "openai/gpt-4.1", **sent})
    assert flags(agent) == [is_on] * 3
    assert flags(send(client, "GET", f"/agents/{agent['id']}")) == [is_on] * 3
    assert flags(send(client, "PATCH", f"/agents/{agent['id']}", {"name": "other"})) == [is_on] * 3


def test_the_references_llm_config_makes_an_agent(client: Client) -> None:
    config = {"model": "anthropic/claude-sonnet-4-20250514", "parallel_tool_calls": True}
    agent = send(client, "POST", "/agents/", {"llm_config": config})
    assert agent["model"] == "anthropic/claude-sonnet-4-20250514"
    assert agent["llm_config"]["model"] == "claude-sonnet-4-20250514"
    assert agent["llm_config"]["context_window"] == 200_000
    assert agent["parallel_execution"]["is_on"] is True


def test_a_config_that_was_retrieved_can_be_sent_back(client: Client) -> None:
    for model in ("demo/planner", "openai/gpt-4.1", "anthropic/claude-sonnet-4-5"):
        agent = send(client, "POST", "/agents/", {"model": model, "parallel_tool_calls": True})
        again = send(client, "PATCH", f"/agents/{agent['id']}", {"llm_config": agent["llm_config"]})
        assert (again["model"], flags(again)) == (model, [True] * 3)


def test_a_patch_leaves_what_it_does_not_name(client: Client) -> None:
    agent = send(
        client,
        "POST",
        "/agents/",
        {
            "name": "Librarian",
            "model": "openai/gpt-4.1",
            "system": "Be brief.",
            "tags": ["a", "b"],
            "context_window_limit": 30_000,
            "max_tokens": 500,
            "metadata": {"team": "x"},
            "model_settings": {"provider_type": "openai", "temperature": 0.5, "reasoning": {"reasoning_effort": "low"}},
        },
    )
    patched = send(client, "PATCH", f"/agents/{agent['id']}", {"description": "Finds books"})
    changed = {key for key in agent if agent[key] != patched[key]}
    assert changed == {"description", "updated_at"}
    assert patched["llm_config"]["context_window"] == 30_000
    assert patched["model_settings"]["max_output_tokens"] == 500
    assert patched["model_settings"]["reasoning"] == {"reasoning_effort": "low"}


def test_rules_are_accepted_with_the_flag_on_and_the_answer_says_that_it_is_off(client: Client) -> None:
    rules = [{"type": "exit_loop", "tool_name": "send_message"}]
    body = {"model": "openai/gpt-4.1", "parallel_tool_calls": True, "tool_rules": rules, "include_base_tools": False}
    agent = send(client, "POST", "/agents/", body)
    assert flags(agent) == [True] * 3
    assert agent["parallel_execution"] == {
        "is_on": False,
        "reason": "Runs one by one: this agent has tool rules (terminal: send_message)",
    }


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({}, 400, "Say which model"),
        ({"model": "gpt-4.1"}, 400, "provider/model"),
        ({"model": "acme/x"}, 404, "Unknown model provider"),
        ({"model": "demo/planner", "tools": ["nobody"]}, 400, "Unknown tools: nobody"),
        ({"model": "demo/planner", "tool_rules": [{"type": "x", "tool_name": "a"}]}, 400, "Unknown tool rule"),
        ({"model": "demo/planner", "secrets": {"A-B": "v"}}, 400, "no name of a variable"),
        ({"model": "demo/planner", "secrets": {"KEY": None}}, 422, "KEY"),
    ],
)
def test_what_cannot_be_is_refused_in_words(client: Client, body: Json, status: int, text: str) -> None:
    assert text in send(client, "POST", "/agents/", body, status)["detail"]


def test_tools_and_blocks_come_with_the_agent(client: Client) -> None:
    risky = make_tool(client, "risky", default_requires_approval=True)
    make_tool(client, "easy")
    agent = send(
        client,
        "POST",
        "/agents/",
        {
            "model": "demo/planner",
            "tool_ids": [risky["id"]],
            "tools": ["easy"],
            "include_base_tools": False,
            "memory_blocks": [{"label": "human", "value": "Ada"}],
        },
    )
    assert [tool["name"] for tool in agent["tools"]] == ["risky", "easy"]
    assert [block["value"] for block in agent["memory"]["blocks"]] == ["Ada"]
    assert [rule["type"] for rule in agent["tool_rules"]] == ["requires_approval"]
    path = f"/agents/{agent['id']}"
    assert send(client, "PATCH", f"{path}/tools/detach/{risky['id']}") is None
    assert [tool["name"] for tool in send(client, "GET", f"{path}/tools")] == ["easy"]
    send(client, "PATCH", f"{path}/tools/attach/{risky['id']}")
    send(client, "PATCH", f"{path}/tools/approval/easy", {"requires_approval": True})
    rules = send(client, "GET", path)["tool_rules"]
    assert [rule["tool_name"] for rule in rules] == ["risky", "easy"]


def test_a_block_is_read_and_changed_through_its_agent(client: Client) -> None:
    blocks = [{"label": "human", "value": "Ada", "limit": 10}]
    agent = send(client, "POST", "/agents/", {"model": "demo/planner", "memory_blocks": blocks})
    path = f"/agents/{agent['id']}/core-memory/blocks"
    assert send(client, "PATCH", f"{path}/human", {"value": "Grace"})["limit"] == 10
    assert [block["value"] for block in send(client, "GET", path)] == ["Grace"]
    assert "at most 10" in send(client, "PATCH", f"{path}/human", {"value": "x" * 11}, 400)["detail"]
    assert "no block labelled" in send(client, "GET", f"{path}/persona", None, 404)["detail"]


def test_paging_goes_on_behind_the_cursor_in_the_order_asked_for(client: Client) -> None:
    ids = [send(client, "POST", "/agents/", {"model": "demo/planner"})["id"] for _ in range(4)]

    def page(query: str) -> list[int]:
        return [ids.index(agent["id"]) + 1 for agent in send(client, "GET", f"/agents/?{query}")]

    assert page("limit=2") == [4, 3]
    assert page(f"limit=2&after={ids[2]}") == [2, 1]
    assert page(f"limit=2&before={ids[2]}") == [4]
    assert page(f"limit=2&before={ids[0]}") == [3, 2]
    assert page(f"limit=2&order=asc&after={ids[0]}") == [2, 3]
    assert page(f"after={ids[0]}") == []
    assert page("after=agent-gone&limit=1") == [4]


def test_agents_are_found_by_name_and_tags(client: Client) -> None:
    send(client, "POST", "/agents/", {"model": "demo/planner", "name": "one", "tags": ["a", "b"]})
    send(client, "POST", "/agents/", {"model": "demo/planner", "name": "two", "tags": ["b"]})

    def names(query: str) -> list[str]:
        return [agent["name"] for agent in send(client, "GET", f"/agents/?{query}")]

    assert names("name=one") == ["one"]
    assert names("query_text=TW") == ["two"]
    assert names("tags=a&tags=b") == ["two", "one"]
    assert names("tags=a&tags=b&match_all_tags=true") == ["one"]
    assert send(client, "GET", "/tags/") == ["a", "b"]
    assert send(client, "GET", "/tags/?after=a") == ["b"]


def test_deleting_an_agent_is_written_down_with_the_key(client: Client) -> None:
    agent = send(client, "POST", "/agents/", {"model": "demo/planner", "name": "short-lived"})
    assert send(client, "DELETE", f"/agents/{agent['id']}") is None
    send(client, "GET", f"/agents/{agent['id']}", None, 404)
    line = Activity.objects.latest("id")
    assert (line.verb, line.target_name, line.via) == ("deleted", "short-lived", "API key tests")
