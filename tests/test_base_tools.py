"""What an agent gets with its type: the built-in tools, their rules, and the search of what was said."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from access.keys import first_person, make_api_key
from agents.assembly import effective_flag
from agents.models import Agent
from engine.ids import new_id
from engine.specs import Outcome, ToolResult
from runs.equipping import equip
from runs.models import Message
from tests.pages import a_tool, signed_in, text_of
from tools.built_in import ensure
from tools.direct import call_for_agent
from tools.models import Tool

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'test')}"})


def create(client: Client, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/agents/", {"model": "openai/gpt-4.1", **body}, content_type="application/json")
    assert answer.status_code == 200, answer.content
    made: dict[str, Any] = answer.json()
    return made


def names(agent: dict[str, Any]) -> list[str]:
    return [tool["name"] for tool in agent["tools"]]


def rules(agent: dict[str, Any]) -> list[tuple[str, str]]:
    return [(rule["type"], rule["tool_name"]) for rule in agent["tool_rules"]]


@pytest.mark.parametrize(
    ("agent_type", "expected"),
    [
        (None, ["conversation_search", "memory_insert", "memory_replace"]),
        ("letta_v1_agent", ["conversation_search", "memory_insert", "memory_replace"]),
        ("react_agent", []),
        ("workflow_agent", []),
        ("memgpt_v2_agent", ["send_message", "conversation_search", "memory_insert", "memory_replace"]),
        ("memgpt_agent", ["send_message", "conversation_search", "core_memory_append", "core_memory_replace"]),
        ("sleeptime_agent", ["memory_insert", "memory_replace", "memory_rethink", "memory_finish_edits"]),
    ],
)
def test_an_agent_gets_the_base_tools_of_its_type(client: Client, agent_type: str | None, expected: list[str]) -> None:
    assert names(create(client, **({"agent_type": agent_type} if agent_type else {}))) == expected


def test_who_does_not_want_them_gets_none(client: Client) -> None:
    assert names(create(client, include_base_tools=False)) == []


def test_tools_that_were_asked_for_come_first_and_once(client: Client) -> None:
    own = a_tool("mine")
    made = create(client, tools=["memory_replace", "memory_rethink"], tool_ids=[own.pk])
    assert names(made) == ["mine", "memory_replace", "memory_rethink", "conversation_search", "memory_insert"]


def test_somebodys_own_tool_of_that_name_is_attached_instead(client: Client) -> None:
    own = a_tool("conversation_search")
    made = create(client)
    assert made["tools"][0] == {**made["tools"][0], "id": own.pk, "tool_type": "custom"}


def test_the_usual_agent_has_no_rules_of_its_base_tools(client: Client) -> None:
    made = create(client, parallel_tool_calls=True)
    assert (made["tool_rules"], made["parallel_execution"]["is_on"]) == ([], True)


def test_with_other_rules_it_has_them(client: Client) -> None:
    limit = {"type": "max_count_per_step", "tool_name": "conversation_search", "max_count_limit": 2}
    expected = [
        ("max_count_per_step", "conversation_search"),
        ("continue_loop", "conversation_search"),
        ("continue_loop", "memory_insert"),
        ("continue_loop", "memory_replace"),
    ]
    assert rules(create(client, tool_rules=[limit])) == expected
    assert rules(create(client, tool_rules=[limit], include_base_tool_rules=False)) == expected[:1]


def test_approvals_alone_bring_no_rules_that_would_end_parallel_calls(client: Client) -> None:
    made = create(
        client, parallel_tool_calls=True, tool_rules=[{"type": "requires_approval", "tool_name": "memory_insert"}]
    )
    assert rules(made) == [("requires_approval", "memory_insert")]
    assert effective_flag(Agent.objects.get(pk=made["id"])).is_on


def test_who_asks_for_the_rules_has_them(client: Client) -> None:
    assert rules(create(client, include_base_tool_rules=True))[0] == ("continue_loop", "conversation_search")


def test_agents_that_speak_by_a_tool_end_with_it(client: Client) -> None:
    made = create(client, agent_type="memgpt_agent")
    assert rules(made)[0] == ("exit_loop", "send_message")
    assert rules(create(client, agent_type="memgpt_agent", include_base_tool_rules=False)) == []


def test_a_rule_that_was_sent_for_a_base_tool_stands(client: Client) -> None:
    made = create(client, tool_rules=[{"type": "exit_loop", "tool_name": "memory_insert"}])
    assert rules(made).count(("exit_loop", "memory_insert")) == 1
    assert ("continue_loop", "memory_insert") not in rules(made)


def test_the_form_of_a_new_agent_offers_them_switched_on() -> None:
    browser = signed_in()
    form = text_of(browser.get("/agents/new/"))
    switch = form[form.index('name="base_tools"') - 120 : form.index('name="base_tools"') + 80]
    assert " checked" in switch
    posted = {"name": "Keeper", "model": "demo/planner", "system": ""}
    browser.post("/agents/new/", {**posted, "base_tools": "on"})
    browser.post("/agents/new/", {**posted, "name": "Bare"})
    attached = {agent.name: agent.tools.count() for agent in Agent.objects.all()}
    assert attached == {"Keeper": 3, "Bare": 0}


NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def said(agent: Agent, role: str, text: str, *, days: int = 0, position: int | None = 1, **fields: Any) -> Message:
    last = Message.objects.filter(agent=agent).count() + 1
    return Message.objects.create(
        pk=new_id("message"),
        agent=agent,
        role=role,
        content=text,
        position=last if position else None,
        created_at=NOW - timedelta(days=days),
        **fields,
    )


def search(agent: Agent, **arguments: Any) -> ToolResult:
    (tool,) = ensure(["conversation_search"])
    return asyncio.run(call_for_agent(agent.pk, tool, json.dumps(arguments), equip))


def contents(result: ToolResult) -> list[str]:
    assert result.outcome is Outcome.SUCCESS, result.text
    return [found["content"] for found in json.loads(result.text)["results"]]


@pytest.mark.django_db(transaction=True)
class TestConversationSearch:
    """The agent looks up what was said."""

    def agent(self, name: str = "keeper", **fields: Any) -> Agent:
        return Agent.objects.create(name=name, model="openai/gpt-4.1", **fields)

    def test_it_finds_the_messages_with_the_words_of_this_agent_only(self) -> None:
        agent, other = self.agent(), self.agent("other")
        said(agent, "user", "My cat is called Tabby.", days=3)
        said(agent, "assistant", "A fine name for a cat!", days=3)
        said(agent, "user", "And my dog is Rex.")
        said(other, "user", "Another cat altogether.")
        assert sorted(contents(search(agent, query="cat"))) == ["A fine name for a cat!", "My cat is called Tabby."]
        (found,) = json.loads(search(agent, query="rex").text)["results"]
        assert (found["role"], found["timestamp"]) == ("user", "2026-03-10T12:00:00+00:00")

    def test_it_is_narrowed_by_roles_dates_and_a_limit(self) -> None:
        agent = self.agent()
        for day in range(5):
            said(agent, "user", f"weather of day {day}", days=day)
            said(agent, "assistant", f"answer about weather {day}", days=day)
        assert len(contents(search(agent, query="weather"))) == 10
        assert len(contents(search(agent, query="weather", roles=["assistant"]))) == 5
        assert len(contents(search(agent, query="weather", limit=3))) == 3
        two_days = contents(
            search(agent, query="weather", roles=["user"], start_date="2026-03-07", end_date="2026-03-08")
        )
        assert sorted(two_days) == ["weather of day 2", "weather of day 3"]

    def test_a_day_is_one_of_the_agents_time_zone(self) -> None:
        agent = self.agent(timezone="Asia/Tokyo")
        message = said(agent, "user", "late news")
        Message.objects.filter(pk=message.pk).update(created_at=datetime(2026, 3, 9, 20, tzinfo=UTC))  # the 10th there
        assert contents(search(agent, query="news", start_date="2026-03-10", end_date="2026-03-10")) == ["late news"]
        assert search(agent, query="news", end_date="2026-03-09").text == "No results found."

    def test_without_a_query_it_lists_the_latest(self) -> None:
        agent = self.agent()
        said(agent, "user", "old", days=2)
        said(agent, "user", "new")
        assert contents(search(agent)) == ["new", "old"]

    def test_its_own_earlier_returns_are_no_finds(self) -> None:
        agent = self.agent()
        said(agent, "user", "a rare word")
        returned = {"call_id": "c", "outcome": "success", "text": "a rare word", "stdout": "", "stderr": ""}
        said(agent, "tool", "", returns=[{**returned, "name": "conversation_search"}])
        said(agent, "tool", "", returns=[{**returned, "name": "library", "text": "rare book"}])
        assert sorted(contents(search(agent, query="rare"))) == ["a rare word", "rare book"]

    def test_nothing_found_says_so_and_a_wrong_date_is_an_error(self) -> None:
        agent = self.agent()
        assert search(agent, query="anything").text == "No results found."
        wrong = search(agent, query="x", start_date="last week")
        assert (wrong.outcome, "start_date 'last week' is no date" in wrong.text) == (Outcome.ERROR, True)

    def test_it_may_run_side_by_side(self) -> None:
        ensure()
        assert Tool.objects.get(name="conversation_search").enable_parallel_execution
