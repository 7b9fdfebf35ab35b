"""The demo agent of a new dashboard, and what a second start leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from access.activity import Actor
from ade.demo import DEMO_MESSAGE, seed_demo
from ade.prepare import collect_static_files
from agents.assembly import agent_spec, effective_flag
from agents.models import Agent
from agents.roster import change_agent, create_agent, delete_agent
from llms.demo.client import answer
from llms.types import ModelMessage, ModelRequest, ModelTool, Role
from tools.library import change_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db
SOMEBODY = Actor(None, "test")


def test_a_new_dashboard_has_an_agent_whose_tools_are_those_of_the_documentation() -> None:
    call_command("seed")
    agent = Agent.objects.get()
    assert agent.model == "demo/planner"
    assert effective_flag(agent).is_on
    assert {tool.name: tool.enable_parallel_execution for tool in agent.tools.all()} == {
        "search_web": True,
        "search_database": True,
        "send_message": False,
    }


def test_the_suggested_message_makes_the_demo_model_ask_for_all_three_tools_at_once() -> None:
    agent = seed_demo()
    assert agent is not None
    tools = tuple(ModelTool(tool.name, tool.description, tool.parameters) for tool in agent_spec(agent.pk).tools)
    asked = answer(ModelRequest("planner", (ModelMessage(Role.USER, DEMO_MESSAGE),), tools, parallel=True))
    assert sorted(call.name for call in asked.calls) == ["search_database", "search_web", "send_message"]


def test_a_second_start_changes_nothing() -> None:
    agent = seed_demo()
    assert agent is not None
    change_agent(SOMEBODY, agent, {"parallel_tool_calls": False, "name": "Mine"})
    change_tool(SOMEBODY, Tool.objects.get(name="send_message"), {"enable_parallel_execution": True})
    call_command("seed")
    agent = Agent.objects.get()
    assert (agent.name, agent.parallel_tool_calls) == ("Mine", False)
    assert Tool.objects.get(name="send_message").enable_parallel_execution


def test_a_demo_agent_that_was_deleted_stays_deleted() -> None:
    agent = seed_demo()
    assert agent is not None
    delete_agent(SOMEBODY, agent)
    assert seed_demo() is None
    assert not Agent.objects.exists()


def test_where_people_have_agents_already_there_is_no_demo() -> None:
    create_agent(SOMEBODY, fields={"model": "demo/planner", "name": "Mine"})
    assert seed_demo() is None
    assert not Tool.objects.exists()


def test_static_files_are_collected_once_and_again_when_one_has_changed(tmp_path: Path, settings: Settings) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "page.css").write_text("p {}")
    settings.STATICFILES_DIRS = [source]
    settings.STATIC_ROOT = tmp_path / "collected"
    assert collect_static_files()
    assert not collect_static_files()
    (source / "page.css").write_text("p { margin: 0 }")
    assert collect_static_files()
    assert (tmp_path / "collected" / "page.css").read_text() == "p { margin: 0 }"
