"""Tools are made, changed and deleted in one place, which touches only what it is given and writes down what it did."""

from __future__ import annotations

from typing import Any

import pytest

from access.activity import Actor
from access.models import Activity
from agents.models import Agent
from agents.roster import create_agent
from tools.library import NameTaken, ToolProblem, change_tool, create_tool, delete_tool, upsert_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db
somebody = Actor(None, "tests")

SEARCH = '''
def search_web(query: str) -> str:
    """Search the web.

    Args:
        query: What to look for.
    """
    return query
'''


def make(source: str = SEARCH, **fields: object) -> Tool:
    return create_tool(somebody, source_code=source, fields=fields)


def test_a_tool_is_named_and_described_by_its_source() -> None:
    tool = make()
    assert (tool.name, tool.description) == ("search_web", "Search the web.")
    assert tool.parameters["required"] == ["query"]
    assert tool.enable_parallel_execution is False


def test_a_taken_name_is_refused_on_create_and_changed_on_upsert() -> None:
    tool = make(enable_parallel_execution=True)
    with pytest.raises(NameTaken, match="already a tool called search_web"):
        make()
    changed, is_new = upsert_tool(somebody, source_code=SEARCH.replace("the web", "it all"), fields={})
    assert (changed.pk, is_new) == (tool.pk, False)
    assert changed.description == "Search it all."
    assert Tool.objects.get().enable_parallel_execution is True


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "Other"),
        ("tags", ["a"]),
        ("return_char_limit", 10),
        ("timeout_seconds", 2.5),
        ("metadata", {"a": 1}),
    ],
)
def test_changing_another_field_leaves_the_toggle(field: str, value: object) -> None:
    tool = make(enable_parallel_execution=True, lock_group="db", safe_to_retry=True)
    stale = Tool.objects.get()
    stale.enable_parallel_execution = False
    change_tool(somebody, stale, {field: value})
    tool.refresh_from_db()
    assert getattr(tool, field) == value
    assert (tool.enable_parallel_execution, tool.lock_group, tool.safe_to_retry) == (True, "db", True)


def test_new_source_gives_a_new_schema_and_a_new_name_follows_into_the_rules() -> None:
    tool = make(default_requires_approval=True)
    agent = create_agent(somebody, fields={"model": "demo/planner"}, tool_ids=[tool.pk])
    changed = change_tool(
        somebody, tool, {"source_code": SEARCH.replace("search_web", "look_up").replace("query", "words")}
    )
    assert (changed.name, changed.parameters["required"]) == ("look_up", ["words"])
    assert [rule["tool_name"] for rule in Agent.objects.get(pk=agent.pk).tool_rules] == ["look_up"]


def test_a_description_reaches_the_schema_that_the_model_is_told() -> None:
    tool = change_tool(somebody, make(), {"description": "Mine"})
    assert (tool.description, tool.json_schema["description"]) == ("Mine", "Mine")


def test_a_schema_that_was_sent_stands_instead_of_the_signature() -> None:
    parameters = {"type": "object", "properties": {"query": {"type": "string", "maxLength": 5}}, "required": []}
    tool = make(json_schema={"name": "search_web", "parameters": parameters})
    assert tool.parameters == parameters
    assert change_tool(somebody, tool, {"tags": ["x"]}).parameters == parameters
    assert change_tool(somebody, tool, {"description": "y"}).parameters == parameters


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"return_char_limit": 0}, "return_char_limit: Ensure this value is greater than or equal to 1"),
        ({"source_type": "cobol"}, "Tools are written in Python or TypeScript"),
        ({"source_type": "typescript"}, "needs a json_schema with the name of its function"),
        ({"json_schema": {"name": "other"}}, "make them agree"),
        ({"colour": "red"}, "no field colour"),
    ],
)
def test_what_cannot_be_is_refused_in_words(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ToolProblem, match=text):
        make(**fields)
    assert not Tool.objects.exists()


def test_a_problem_of_the_source_names_its_line() -> None:
    with pytest.raises(ToolProblem) as caught:
        make("def f(a):\n    '''Does.'''\n")
    assert caught.value.problems[0].line == 1
    assert "Failed to derive json schema" in str(caught.value)


def test_the_activity_log_tells_what_changed_from_what() -> None:
    tool = make()
    change_tool(somebody, tool, {"enable_parallel_execution": True, "tags": []})
    change_tool(somebody, tool, {"enable_parallel_execution": True})
    delete_tool(somebody, tool)
    written = [(line.verb, line.target_name, line.changes) for line in Activity.objects.order_by("id")]
    assert written == [
        ("created", "search_web", {}),
        ("changed", "search_web", {"enable_parallel_execution": [False, True]}),
        ("deleted", "search_web", {}),
    ]
