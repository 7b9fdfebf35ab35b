"""The list of agents and the agent page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from agents.memory import attach_blocks, create_block
from agents.models import Agent, Block
from agents.rule_walk import walk
from agents.rule_words import RULE_FORMS, say
from engine.rules import RULE_TYPES, parse_rule
from tests.pages import a_tool, an_agent, forbidden_in, htmx, logged, seed_actor, signed_in, text_of, toast_of
from tools.library import change_tool

pytestmark = pytest.mark.django_db

RULES: list[dict[str, Any]] = [
    {"type": "run_first", "tool_name": "look"},
    {"type": "constrain_child_tools", "tool_name": "look", "children": ["ask", "tell"]},
    {"type": "conditional", "tool_name": "ask", "child_output_mapping": {"yes": "tell"}, "default_child": "look"},
    {"type": "exit_loop", "tool_name": "tell"},
]
NAMES = ["look", "ask", "tell"]


def _flag_of(agent: Agent) -> bool:
    return Agent.objects.get(pk=agent.pk).parallel_tool_calls


@pytest.fixture
def browser() -> Client:
    return signed_in()


def test_the_switch_is_saved_by_itself_and_says_what_it_comes_to(browser: Client) -> None:
    agent = an_agent()
    path = f"/agents/{agent.pk}/parallel-tool-calls/"
    on = browser.post(path, {"parallel_tool_calls": "on"}, headers=htmx())
    assert _flag_of(agent) is True
    assert logged(agent) == [{"parallel_tool_calls": [False, True]}]
    assert "Parallel tool calls" in text_of(on)
    assert "On: the model may ask for several tools at once" in text_of(on)
    assert toast_of(on)["text"] == "Saved"

    undone = browser.post(toast_of(on)["undo"], headers=htmx())
    assert _flag_of(agent) is False
    assert "Runs one by one: parallel tool calls are off for this agent" in text_of(undone)
    assert 'hx-swap-oob="true"' in text_of(undone)


def test_a_switch_that_cannot_take_effect_says_why(browser: Client) -> None:
    agent = an_agent("Strict", a_tool("tell"), tool_rules=[RULES[3]])
    answer = browser.post(f"/agents/{agent.pk}/parallel-tool-calls/", {"parallel_tool_calls": "on"}, headers=htmx())
    assert "Runs one by one: this agent has tool rules (terminal: tell)" in text_of(answer)
    refusing = an_agent("Old", model="openai/o3", parallel_tool_calls=True)
    assert "does not take the parameter" in text_of(browser.get(f"/agents/{refusing.pk}/"))


def test_the_switch_works_without_javascript(browser: Client) -> None:
    agent = an_agent()
    browser.post(f"/agents/{agent.pk}/parallel-tool-calls/", {"parallel_tool_calls": "on"})
    agent.refresh_from_db()
    assert agent.parallel_tool_calls


def test_llm_config_is_saved_without_touching_the_switch(browser: Client) -> None:
    agent = an_agent(parallel_tool_calls=True)
    posted = {"model": "openai/gpt-4.1", "temperature": "0.3", "context_window": "", "max_output_tokens": "800"}
    answer = browser.post(f"/agents/{agent.pk}/llm-config/", posted | {"reasoning_effort": "low"}, headers=htmx())
    assert answer.status_code == 200
    agent.refresh_from_db()
    assert (agent.model, agent.temperature, agent.max_output_tokens) == ("openai/gpt-4.1", 0.3, 800)
    assert agent.parallel_tool_calls
    assert set(logged(agent)[0]) == {"model", "temperature", "max_output_tokens", "reasoning_effort"}


def test_a_bad_field_is_named_beside_it_and_the_others_stay_as_typed(browser: Client) -> None:
    agent = an_agent()
    posted = {"model": "gpt-4.1", "temperature": "0.3", "context_window": "few", "max_output_tokens": "800"}
    answer = browser.post(f"/agents/{agent.pk}/llm-config/", posted, headers=htmx())
    html = text_of(answer)
    assert answer.status_code == 422
    assert "A model is written" in html
    assert "Enter a whole number." in html
    for typed in ('value="gpt-4.1"', 'value="0.3"', 'value="few"', 'value="800"'):
        assert typed in html
    agent.refresh_from_db()
    assert agent.model == "demo/planner"
    assert logged(agent) == []


def test_about_is_saved_and_long_instructions_come_back_as_typed(browser: Client) -> None:
    agent = an_agent()
    posted = {"name": "Keeper", "description": "", "tags": "night, shift", "system": "Line one\r\n  line two\r\n"}
    browser.post(f"/agents/{agent.pk}/about/", posted, headers=htmx())
    agent.refresh_from_db()
    assert (agent.name, agent.tags, agent.system) == ("Keeper", ["night", "shift"], "Line one\n  line two\n")
    refused = browser.post(f"/agents/{agent.pk}/about/", posted | {"name": ""})
    assert refused.status_code == 422
    assert "This field is required." in text_of(refused)
    assert "night, shift" in text_of(refused)
    agent.refresh_from_db()
    assert agent.name == "Keeper"


def test_an_agent_is_created_with_its_tools(browser: Client) -> None:
    tool = a_tool(default_requires_approval=True)
    posted = {"name": "Nova", "model": "demo/planner", "system": "", "tools": [tool.pk], "parallel_tool_calls": "on"}
    answer = browser.post("/agents/new/", posted, headers=htmx())
    agent = Agent.objects.get(name="Nova")
    assert answer["HX-Redirect"] == f"/agents/{agent.pk}/"
    assert list(agent.tools.all()) == [tool]
    assert agent.parallel_tool_calls
    assert agent.system
    refused = browser.post("/agents/new/", posted | {"model": "nowhere/x"}, headers=htmx())
    assert refused.status_code == 422
    assert "Unknown model provider" in text_of(refused)
    assert 'value="Nova"' in text_of(refused)
    assert re.search(rf'value="{tool.pk}" checked', text_of(refused))


def test_a_deleted_agent_is_gone_and_logged(browser: Client) -> None:
    agent = an_agent()
    assert browser.post(f"/agents/{agent.pk}/delete/", headers=htmx())["HX-Redirect"] == "/agents/"
    assert not Agent.objects.exists()
    assert len(logged(agent, "deleted")) == 1


def test_a_tool_is_added_detached_and_put_back_with_its_approval(browser: Client) -> None:
    agent, tool = an_agent(), a_tool()
    added = browser.post(f"/agents/{agent.pk}/tools/attach/", {"tool_id": tool.pk}, headers=htmx())
    assert list(agent.tools.all()) == [tool]
    assert "sequential" in text_of(added)
    browser.post(f"/agents/{agent.pk}/tools/{tool.pk}/approval/", {"required": "on"}, headers=htmx())
    agent.refresh_from_db()
    assert [rule["type"] for rule in agent.tool_rules] == ["requires_approval"]
    detached = browser.post(f"/agents/{agent.pk}/tools/{tool.pk}/detach/", headers=htmx())
    agent.refresh_from_db()
    assert (agent.tools.count(), agent.tool_rules) == (0, [])
    undone = browser.post(toast_of(detached)["undo"], headers=htmx())
    agent.refresh_from_db()
    assert (agent.tools.count(), len(agent.tool_rules)) == (1, 1)
    assert "tools-undone" in undone["HX-Trigger"]


def test_the_tools_panel_shows_a_tool_as_it_is_now(browser: Client) -> None:
    tool = a_tool()
    agent = an_agent("Librarian", tool)
    path = f"/agents/{agent.pk}/tools/"
    assert 'data-mode="sequential"' in text_of(browser.get(path))
    change_tool(seed_actor(), tool, {"enable_parallel_execution": True})
    panel = text_of(browser.get(path))
    assert 'data-mode="parallel"' in panel
    assert 'data-mode="sequential"' not in panel


def test_the_page_opens_the_drawer_that_its_address_names(browser: Client) -> None:
    tool = a_tool()
    agent = an_agent("Librarian", tool)
    html = text_of(browser.get(f"/agents/{agent.pk}/?tab=tools&tool={tool.pk}&panel=settings"))
    assert f'hx-get="/tools/{tool.pk}/?tab=settings" hx-trigger="load" hx-target="#drawer-body"' in html


def test_there_is_a_form_and_a_sentence_for_every_rule_type() -> None:
    assert {form.type for form in RULE_FORMS} == set(RULE_TYPES)
    more: list[dict[str, Any]] = [
        {"type": "parent_last_tool", "tool_name": "look", "children": ["ask"]},
        {"type": "continue_loop", "tool_name": "look"},
        {"type": "required_before_exit", "tool_name": "look"},
        {"type": "max_count_per_step", "tool_name": "look", "max_count_limit": 1},
        {"type": "requires_approval", "tool_name": "look"},
    ]
    sentences = [say(parse_rule(rule)) for rule in [*RULES, *more]]
    assert len(set(sentences)) == len(RULE_TYPES)
    assert sentences[1] == "After look, only ask or tell may be called."
    assert sentences[2] == "After ask, its return chooses: “yes” leads to tell; anything else to look."
    assert sentences[7] == "For one message, look may be called at most once."


@pytest.mark.parametrize(
    ("posted", "stored"),
    [
        ({"type": "exit_loop", "tool_name": "tell"}, {"type": "exit_loop", "tool_name": "tell"}),
        ({"type": "parent_last_tool", "tool_name": "look", "children": ["ask", "tell"]}, {"children": ["ask", "tell"]}),
        ({"type": "max_count_per_step", "tool_name": "ask", "max_count_limit": "3"}, {"max_count_limit": 3}),
        (
            {"type": "conditional", "tool_name": "ask", "outcomes": "yes = tell\r\na=b = look\r\notherwise = look"},
            {"child_output_mapping": {"yes": "tell", "a=b": "look"}, "default_child": "look"},
        ),
    ],
)
def test_a_rule_is_added_and_removed(browser: Client, posted: dict[str, object], stored: dict[str, object]) -> None:
    agent = an_agent("Strict", *(a_tool(name) for name in NAMES), parallel_tool_calls=True)
    answer = browser.post(f"/agents/{agent.pk}/rules/add/", posted, headers=htmx())
    assert answer.status_code == 200
    agent.refresh_from_db()
    assert stored.items() <= agent.tool_rules[0].items()
    assert say(parse_rule(agent.tool_rules[0])).replace("'", "&#x27;") in text_of(answer)
    assert "Runs one by one: this agent has tool rules" in text_of(answer)
    gone = {"index": "0", "type": posted["type"]}
    browser.post(f"/agents/{agent.pk}/rules/remove/", gone, headers=htmx())
    agent.refresh_from_db()
    assert agent.tool_rules == []
    assert len(logged(agent)) == 2


def test_an_unfinished_rule_is_refused_and_stays_as_typed(browser: Client) -> None:
    agent = an_agent("Strict", a_tool("ask"))
    posted = {"type": "max_count_per_step", "tool_name": "ask", "max_count_limit": "lots"}
    answer = browser.post(f"/agents/{agent.pk}/rules/add/", posted, headers=htmx())
    assert answer.status_code == 422
    assert 'value="lots"' in text_of(answer)
    assert "<option selected>ask</option>" in text_of(answer)
    empty = browser.post(f"/agents/{agent.pk}/rules/add/", {"type": "exit_loop"}, headers=htmx())
    assert "Choose a tool." in text_of(empty)
    agent.refresh_from_db()
    assert agent.tool_rules == []


def test_removing_a_rule_that_is_no_longer_there_removes_no_other(browser: Client) -> None:
    agent = an_agent("Strict", *(a_tool(name) for name in NAMES), tool_rules=RULES)
    for gone in ({"index": "0", "type": "exit_loop"}, {"index": "9", "type": "exit_loop"}, {"index": "x"}):
        answer = browser.post(f"/agents/{agent.pk}/rules/remove/", gone, headers=htmx())
        assert "changed meanwhile" in toast_of(answer)["text"]
    agent.refresh_from_db()
    assert len(agent.tool_rules) == len(RULES)


def test_the_walk_says_what_may_follow_what() -> None:
    rules = [parse_rule(rule) for rule in RULES]
    start = walk(rules, NAMES, [])
    assert ([way.name for way in start.ways], start.must_call, start.refused) == (["look"], True, ("ask", "tell"))
    after = walk(rules, NAMES, ["look"])
    assert [way.step for way in after.ways] == ["ask=yes", "ask=anything else", "tell"]
    assert [way.name for way in walk(rules, NAMES, ["look", "ask=yes"]).ways] == ["tell"]
    assert [way.name for way in walk(rules, NAMES, ["look", "ask=anything else"]).ways] == ["look"]
    assert walk(rules, NAMES, ["look", "tell"]).is_over
    assert walk(rules, NAMES, ["tell", "look"]).steps == ()


def test_a_memory_block_is_edited_within_its_limit(browser: Client) -> None:
    agent = an_agent()
    browser.post(
        f"/agents/{agent.pk}/memory/", {"label": "human", "value": "Ann", "limit": "20"}, headers=htmx("memory")
    )
    block = Block.objects.get()
    path = f"/agents/{agent.pk}/memory/{block.pk}/"
    browser.post(path, {"seen": "Ann", "value": "Bea", "limit": "20"}, headers=htmx("memory"))
    block.refresh_from_db()
    assert block.value == "Bea"
    refused = browser.post(path, {"seen": "Bea", "value": "x" * 21, "limit": "20"}, headers=htmx("memory"))
    assert refused.status_code == 422
    assert "x" * 21 in text_of(refused)
    block.refresh_from_db()
    assert block.value == "Bea"
    twice = browser.post(f"/agents/{agent.pk}/memory/", {"label": "human", "limit": "20"}, headers=htmx("memory"))
    assert "one memory block of a label" in text_of(twice)
    assert Block.objects.count() == 1


def test_a_block_that_a_tool_changed_meanwhile_is_not_written_over_unseen(browser: Client) -> None:
    agent = an_agent()
    block = create_block(seed_actor(), {"label": "human", "value": "as the tool wrote it", "limit": 100})
    attach_blocks(agent, [block])
    path = f"/agents/{agent.pk}/memory/{block.pk}/"
    refused = browser.post(path, {"seen": "before", "value": "mine", "limit": "100"}, headers=htmx("memory"))
    assert refused.status_code == 422
    assert "Changed meanwhile" in text_of(refused)
    assert ">\nmine</textarea>" in text_of(refused)
    block.refresh_from_db()
    assert block.value == "as the tool wrote it"
    browser.post(path, {"seen": "as the tool wrote it", "value": "mine", "limit": "100"}, headers=htmx("memory"))
    block.refresh_from_db()
    assert block.value == "mine"


def test_a_shared_block_is_detached_and_a_lonely_one_deleted(browser: Client) -> None:
    one, two = an_agent("One"), an_agent("Two")
    block = create_block(seed_actor(), {"label": "shared"})
    attach_blocks(one, [block])
    attach_blocks(two, [block])
    assert "shared with 1" in text_of(browser.get(f"/agents/{one.pk}/"))
    browser.post(f"/agents/{one.pk}/memory/{block.pk}/detach/", headers=htmx("memory"))
    assert Block.objects.filter(agents=two).exists()
    browser.post(f"/agents/{two.pk}/memory/{block.pk}/detach/", headers=htmx("memory"))
    assert not Block.objects.exists()


def test_the_list_is_searched_by_name_tag_and_model(browser: Client) -> None:
    an_agent("Alpha", tags=["night"])
    an_agent("Beta", model="openai/gpt-4.1")
    assert "Beta" not in text_of(browser.get("/agents/?q=night"))
    assert "Alpha" not in text_of(browser.get("/agents/?q=gpt-4.1"))
    assert "No agent matches" in text_of(browser.get("/agents/?q=zzz", headers=htmx("agent-table")))


def test_the_list_asks_the_database_as_often_for_many_agents_as_for_one(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    an_agent("Agent 0", a_tool("tool_0"))
    browser.get("/agents/")
    with django_assert_num_queries(8) as counted:
        browser.get("/agents/")
    tools = [a_tool(f"tool_{number}") for number in range(1, 5)]
    for number in range(1, 8):
        an_agent(f"Agent {number}", *tools)
    with django_assert_num_queries(len(counted)):
        html = text_of(browser.get("/agents/"))
    assert html.count('data-label="Tools">4<') == 7


def test_a_tab_is_answered_alone_and_as_a_page(browser: Client) -> None:
    agent = an_agent()
    alone = browser.get(f"/agents/{agent.pk}/?tab=rules", headers=htmx("agent-left"))
    assert "What may come next" in text_of(alone)
    assert "<html" not in text_of(alone)
    assert "HX-Request" in alone["Vary"]
    assert "<html" in text_of(browser.get(f"/agents/{agent.pk}/?tab=rules"))
    assert browser.get(f"/agents/{agent.pk}/?tab=nothing").status_code == 404


def test_every_agent_page_keeps_to_the_security_policy(browser: Client) -> None:
    tools = [a_tool(name) for name in NAMES]
    agent = an_agent("<Strict> & co", *tools, tool_rules=RULES, tags=['"quoted"'])
    block = create_block(seed_actor(), {"label": "human", "value": "<script>alert(1)</script>"})
    attach_blocks(agent, [block])
    paths = ["/agents/", "/agents/new/", *(f"/agents/{agent.pk}/?tab={tab}" for tab in ("settings", "tools", "rules"))]
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert forbidden_in(text_of(answer)) == [], path
        assert "unsafe-" not in answer["Content-Security-Policy"]
