"""Agents as files on the pages: the download of the agent page, the import of the list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from agents.models import Agent
from agents.variables import set_variable
from tests.pages import a_tool, an_agent, forbidden_in, htmx, seed_actor, signed_in, text_of
from tools.models import Tool

pytestmark = pytest.mark.django_db

UPLOAD = "/runs/import-agent/"


@pytest.fixture
def browser() -> Client:
    return signed_in()


def export(browser: Client, agent: Agent, query: str = "") -> bytes:
    answer = browser.get(f"/runs/agent/{agent.pk}/export/{query}")
    assert answer.status_code == 200
    return bytes(answer.content)


def send(browser: Client, body: bytes, **fields: Any) -> Any:
    file = SimpleUploadedFile("a.af", body)
    return browser.post(UPLOAD, {"file": file, "with_messages": "on", **fields}, headers=htmx("import-agent-form"))


def test_the_agent_page_offers_its_file(browser: Client) -> None:
    agent = an_agent("Ada's libräry")
    set_variable(seed_actor(), agent, "TOKEN", "s3cret")
    page = text_of(browser.get(f"/agents/{agent.pk}/"))
    assert f"/runs/agent/{agent.pk}/export/" in page
    answer = browser.get(f"/runs/agent/{agent.pk}/export/")
    assert answer["Content-Disposition"] == 'attachment; filename="Ada_s_libr_ry.af"'
    assert json.loads(answer.content)["agents"][0]["name"] == "Ada's libräry"
    assert b"s3cret" not in answer.content
    assert json.loads(export(browser, agent, "?messages=no"))["agents"][0]["messages"] == []


def test_the_list_opens_the_form(browser: Client) -> None:
    page = text_of(browser.get("/agents/"))
    assert 'data-opens="import-agent"' in page
    assert f'hx-get="{UPLOAD}"' in page
    part = text_of(browser.get(UPLOAD, headers=htmx("import-agent-form")))
    assert "<html" not in part
    assert 'name="file"' in part
    whole = text_of(browser.get(UPLOAD))
    assert "<h1>Import agent</h1>" in whole
    assert forbidden_in(whole) == []


def test_an_upload_leads_to_the_new_agent(browser: Client) -> None:
    body = export(browser, an_agent("Librarian", a_tool()))
    answer = send(browser, body, name="Nova", model="openai/gpt-4.1")
    agent = Agent.objects.get(name="Nova")
    assert answer["HX-Redirect"] == f"/agents/{agent.pk}/"
    assert (agent.model, [tool.name for tool in agent.tools.all()]) == ("openai/gpt-4.1", ["count_words"])
    assert "Agent Nova imported" in text_of(browser.get(f"/agents/{agent.pk}/"))


def test_the_librarys_tools_stay_unless_they_shall_be_replaced(browser: Client) -> None:
    tool = a_tool(tags=["file"])
    body = export(browser, an_agent("Librarian", tool))
    Tool.objects.filter(pk=tool.pk).update(tags=["library"])
    send(browser, body)
    assert Tool.objects.get().tags == ["library"]
    send(browser, body, overrides_tools="on")
    assert Tool.objects.get().tags == ["file"]


def test_what_is_missing_is_told(browser: Client) -> None:
    file = json.loads(export(browser, an_agent("Librarian")))
    file["tools"] = [{"id": "tool-0", "name": "fly", "tool_type": "letta_core"}]
    answer = send(browser, json.dumps(file).encode())
    assert "This server has no built-in tool fly" in text_of(browser.get(answer["HX-Redirect"]))


@pytest.mark.parametrize(
    ("body", "fields", "text"),
    [(b"{", {}, "no JSON"), (b'{"agents": [{}]}', {"model": "gpt"}, "provider/model"), (b"", {}, "empty")],
)
def test_a_bad_file_is_told_beside_its_field(browser: Client, body: bytes, fields: dict[str, str], text: str) -> None:
    answer = send(browser, body, **fields)
    assert answer.status_code == 422
    assert text in text_of(answer)
    assert not Agent.objects.exists()
