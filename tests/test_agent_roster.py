"""Agents are made, changed and deleted in one place; only what is sent changes (rule 1.4)."""

from __future__ import annotations

from typing import Any

import pytest

from access.activity import Actor
from access.models import Activity
from agents.memory import blocks_of, change_block
from agents.models import Agent, Block
from agents.roster import (
    AgentProblem,
    UnknownHandle,
    attach_tool,
    change_agent,
    create_agent,
    delete_agent,
    detach_tool,
    set_approval,
)
from tools.library import create_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db
somebody = Actor(None, "tests")


def make_tool(name: str, **fields: object) -> Tool:
    return create_tool(
        somebody, source_code=f'def {name}() -> str:\n    """Does it."""\n    return ""\n', fields=fields
    )


def make(**fields: Any) -> Agent:
    return create_agent(somebody, fields={"model": "demo/planner", **fields})


def test_the_flag_is_off_by_default() -> None:
    assert make().parallel_tool_calls is False
    assert make(model_settings={"provider_type": "openai"}).parallel_tool_calls is False


@pytest.mark.parametrize(
    ("sent", "is_on"),
    [
        ({"llm_config": {"parallel_tool_calls": True}}, True),
        ({"model_settings": {"provider_type": "openai", "parallel_tool_calls": True}}, True),
        ({"parallel_tool_calls": True}, True),
        ({"llm_config": {"parallel_tool_calls": True}, "model_settings": {"parallel_tool_calls": False}}, False),
        ({"llm_config": {"parallel_tool_calls": False}, "model_settings": {"parallel_tool_calls": True}}, True),
        ({"model_settings": {"parallel_tool_calls": True}, "parallel_tool_calls": False}, False),
        ({"model_settings": {"parallel_tool_calls": True}, "parallel_tool_calls": None}, True),
        ({"llm_config": {"parallel_tool_calls": True}, "model_settings": {"provider_type": "openai"}}, True),
    ],
)
def test_top_level_beats_model_settings_beats_llm_config(sent: dict[str, Any], is_on: bool) -> None:
    assert make(**sent).parallel_tool_calls is is_on
    assert change_agent(somebody, make(parallel_tool_calls=not is_on), sent).parallel_tool_calls is is_on


@pytest.mark.parametrize(
    "sent", [{"name": "Other"}, {"model_settings": {"provider_type": "openai", "temperature": 1.0}}, {"llm_config": {}}]
)
def test_what_is_not_sent_stays(sent: dict[str, Any]) -> None:
    agent = make(parallel_tool_calls=True, temperature=0.5, tags=["a"], model_settings={"verbosity": "low"})
    stale = Agent.objects.get()
    stale.parallel_tool_calls = False
    changed = change_agent(somebody, stale, sent)
    agent.refresh_from_db()
    assert (changed.parallel_tool_calls, agent.parallel_tool_calls, agent.tags) == (True, True, ["a"])
    assert agent.model_settings["verbosity"] == "low"


def test_the_references_own_llm_config_makes_an_agent() -> None:
    handle = "anthropic/claude-sonnet-4-20250514"
    agent = create_agent(somebody, fields={"llm_config": {"model": handle, "parallel_tool_calls": True}})
    assert (agent.model, agent.parallel_tool_calls) == (handle, True)
    assert agent.name
    assert agent.system


def test_an_older_llm_config_names_its_provider_apart() -> None:
    config = {"model": "gpt-4.1", "model_endpoint_type": "openai", "context_window": 32_000}
    agent = create_agent(somebody, fields={"llm_config": config})
    assert (agent.model, agent.context_window) == ("openai/gpt-4.1", 32_000)


def test_a_model_setting_can_be_emptied() -> None:
    agent = make(temperature=0.5)
    assert change_agent(somebody, agent, {"temperature": None}).temperature is None


@pytest.mark.parametrize(
    ("fields", "problem", "text"),
    [
        ({"model": ""}, AgentProblem, "Say which model"),
        ({"model": "gpt-4.1"}, AgentProblem, "provider/model"),
        ({"model": "acme/one"}, UnknownHandle, "Unknown model provider 'acme'"),
        ({"temperature": 9.0}, AgentProblem, "temperature: Ensure"),
        ({"tool_rules": [{"type": "what", "tool_name": "a"}]}, AgentProblem, "Unknown tool rule type"),
        ({"colour": "red"}, AgentProblem, "no field colour"),
    ],
)
def test_what_cannot_be_is_refused_in_words(fields: dict[str, Any], problem: type[AgentProblem], text: str) -> None:
    with pytest.raises(problem, match=text):
        make(**fields)
    assert not Agent.objects.exists()


def test_unknown_tools_and_blocks_are_named() -> None:
    with pytest.raises(AgentProblem, match="Unknown tools: tool-1, nobody"):
        create_agent(somebody, fields={"model": "demo/planner"}, tool_ids=["tool-1"], tool_names=["nobody"])
    with pytest.raises(AgentProblem, match="Unknown blocks: block-1"):
        create_agent(somebody, fields={"model": "demo/planner"}, block_ids=["block-1"])


def test_tools_keep_their_order_and_bring_their_approval() -> None:
    later, first = make_tool("later"), make_tool("first", default_requires_approval=True)
    agent = create_agent(somebody, fields={"model": "demo/planner"}, tool_ids=[first.pk], tool_names=["later", "first"])
    assert [tool.name for tool in agent.tools.order_by("agenttool__id")] == ["first", "later"]
    assert [(rule["type"], rule["tool_name"]) for rule in agent.tool_rules] == [("requires_approval", "first")]
    agent = change_agent(somebody, agent, {}, tool_ids=[later.pk])
    assert (list(agent.tools.all()), agent.tool_rules) == ([later], [])


def test_attaching_and_detaching_carry_the_approval_rule_alone() -> None:
    risky = make_tool("risky", default_requires_approval=True)
    agent = make(tool_rules=[{"type": "exit_loop", "tool_name": "risky"}])
    attach_tool(somebody, agent, risky)
    agent = attach_tool(somebody, agent, risky)
    assert [rule["type"] for rule in agent.tool_rules] == ["exit_loop", "requires_approval"]
    agent = detach_tool(somebody, agent, risky)
    assert [rule["type"] for rule in agent.tool_rules] == ["exit_loop"]
    assert not agent.tools.exists()


def test_approval_is_switched_for_an_attached_tool_only() -> None:
    tool = make_tool("risky")
    agent = make()
    with pytest.raises(AgentProblem, match="has no tool called risky"):
        set_approval(somebody, agent, "risky", True)
    attach_tool(somebody, agent, tool)
    set_approval(somebody, agent, "risky", True)
    assert len(set_approval(somebody, agent, "risky", True).tool_rules) == 1
    assert set_approval(somebody, agent, "risky", False).tool_rules == []


def test_blocks_are_made_with_the_agent_and_keep_to_their_limit() -> None:
    blocks = [{"label": "human", "value": "Ada"}, {"label": "persona", "value": "Kind"}]
    agent = create_agent(somebody, fields={"model": "demo/planner"}, blocks=blocks)
    assert [(block.label, block.value) for block in blocks_of(agent)] == [("human", "Ada"), ("persona", "Kind")]
    with pytest.raises(AgentProblem, match="two of human"):
        create_agent(somebody, fields={"model": "demo/planner"}, blocks=[*blocks, {"label": "human", "value": ""}])
    block = Block.objects.get(label="human")
    with pytest.raises(AgentProblem, match="at most 3 characters"):
        change_block(somebody, block, {"value": "Grace", "limit": 3})
    assert Block.objects.get(label="human").value == "Ada"


def test_the_activity_log_tells_what_changed_from_what() -> None:
    agent = make(name="Librarian")
    tool = make_tool("risky")
    Activity.objects.all().delete()
    change_agent(somebody, agent, {"parallel_tool_calls": True})
    change_agent(somebody, agent, {"parallel_tool_calls": True})
    attach_tool(somebody, agent, tool)
    delete_agent(somebody, agent)
    assert [(line.verb, line.changes) for line in Activity.objects.order_by("id")] == [
        ("changed", {"parallel_tool_calls": [False, True]}),
        ("attached a tool", {"tools": [[], ["risky"]]}),
        ("deleted", {}),
    ]
