"""Search, the rail, error pages and the admin."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from agents.models import AgentTool, Block
from runs.models import Run
from tests.pages import COUNT_WORDS, a_tool, an_agent, forbidden_in, htmx, logged, signed_in, text_of
from tools.models import Tool

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return signed_in()


def test_search_finds_agents_tools_runs_and_pages(browser: Client) -> None:
    agent, tool = an_agent("Runner bean"), a_tool("run_far")
    run = Run.objects.create(agent=agent)
    html = text_of(browser.get("/search/?q=run"))
    for url in (f"/agents/{agent.pk}/", f"/tools/{tool.pk}/", f"/runs/{run.pk}/", "/runs/"):
        assert f'class="search-hit" href="{url}"' in html
    dropdown = text_of(browser.get("/search/?q=run", headers=htmx("search-results")))
    assert f"/tools/{tool.pk}/" in dropdown
    assert "<html" not in dropdown
    assert "Nothing found" in text_of(browser.get("/search/?q=zzzz", headers=htmx("search-results")))
    assert forbidden_in(html) == []


def test_the_rail_marks_where_one_is(browser: Client) -> None:
    html = text_of(browser.get("/tools/"))
    assert 'class="rail-item" href="/tools/" aria-current="page"' in html
    assert 'class="rail-item" href="/agents/">' in html


def test_an_unknown_address_has_a_page_of_ours(browser: Client) -> None:
    for path in ("/nowhere/", "/agents/agent-none/", "/tools/tool-none/"):
        answer = browser.get(path)
        assert answer.status_code == 404
        assert "There is nothing at this address" in text_of(answer)
        assert forbidden_in(text_of(answer)) == []


def test_every_model_is_in_the_admin() -> None:
    ours = {
        model for label in ("access", "tools", "agents", "runs") for model in apps.get_app_config(label).get_models()
    }
    assert ours - set(admin.site._registry) == set()


def test_every_admin_page_opens_and_keeps_to_the_security_policy(browser: Client) -> None:
    an_agent("Librarian", a_tool())
    for model in admin.site._registry:
        meta = model._meta
        if meta.app_label not in ("access", "tools", "agents", "runs"):
            continue
        answer = browser.get(f"/admin/{meta.app_label}/{meta.model_name}/")
        assert answer.status_code == 200, meta.model_name
        assert forbidden_in(text_of(answer)) == [], meta.model_name


def test_runs_cannot_be_changed_in_the_admin(browser: Client) -> None:
    run = Run.objects.create(agent=an_agent())
    assert browser.get(f"/admin/runs/run/{run.pk}/change/").status_code == 200
    assert browser.post(f"/admin/runs/run/{run.pk}/change/", {"status": "completed"}).status_code == 403
    assert browser.get("/admin/runs/run/add/").status_code == 403
    assert browser.post(f"/admin/runs/run/{run.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_admin_saves_a_tools_switch_through_the_library(browser: Client) -> None:
    tool = a_tool()
    posted = {
        "source_code": tool.source_code,
        "tags": "[]",
        "enable_parallel_execution": "on",
        "return_char_limit": "50000",
        "network": "web",
    }
    answer = browser.post(f"/admin/tools/tool/{tool.pk}/change/", posted)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    tool.refresh_from_db()
    assert tool.enable_parallel_execution
    assert logged(tool) == [{"enable_parallel_execution": [False, True]}]
    broken = browser.post(f"/admin/tools/tool/{tool.pk}/change/", posted | {"source_code": "def ("})
    assert "Failed to parse source code" in text_of(broken)


def test_the_admin_makes_and_deletes_a_tool_through_the_library(browser: Client) -> None:
    posted = {
        "source_code": COUNT_WORDS.format(name="tally"),
        "tags": "[]",
        "return_char_limit": "50000",
        "network": "web",
    }
    assert browser.post("/admin/tools/tool/add/", posted).status_code == 302
    tool = Tool.objects.get(name="tally")
    assert len(logged(tool, "created")) == 1
    assert browser.post(f"/admin/tools/tool/{tool.pk}/delete/", {"post": "yes"}).status_code == 302
    assert len(logged(tool, "deleted")) == 1


def test_the_admin_saves_an_agents_switch_through_the_roster(browser: Client) -> None:
    agent = an_agent()
    posted = {
        "name": agent.name,
        "system": agent.system,
        "tags": "[]",
        "model": agent.model,
        "parallel_tool_calls": "on",
        "tool_rules": "[]",
        "timezone": "UTC",
    }
    path = f"/admin/agents/agent/{agent.pk}/change/"
    answer = browser.post(path, posted)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert logged(agent) == [{"parallel_tool_calls": [False, True]}]
    assert "Unknown tool rule type" in text_of(browser.post(path, posted | {"tool_rules": '[{"type": "x"}]'}))
    assert "A model is written" in text_of(browser.post(path, posted | {"model": "gpt"}))


def test_the_admin_attaches_a_tool_and_edits_a_block_through_the_roster(browser: Client) -> None:
    agent, tool = an_agent(), a_tool(default_requires_approval=True)
    browser.post("/admin/agents/agenttool/add/", {"agent": agent.pk, "tool": tool.pk})
    assert AgentTool.objects.filter(agent=agent, tool=tool).count() == 1
    agent.refresh_from_db()
    assert [rule["type"] for rule in agent.tool_rules] == ["requires_approval"]
    too_long = {"label": "human", "value": "four", "limit": "3", "tags": "[]"}
    assert "At most 3 characters" in text_of(browser.post("/admin/agents/block/add/", too_long))
    assert browser.post("/admin/agents/block/add/", too_long | {"limit": "9"}).status_code == 302
    assert Block.objects.get().value == "four"
