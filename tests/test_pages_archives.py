"""Archival memory on the agent page."""

from __future__ import annotations

import pytest
from django.test import Client

from archives.memory import insert
from archives.models import Passage
from tests.pages import an_agent, forbidden_in, htmx, logged, signed_in, text_of, toast_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return signed_in()


def panel(browser: Client, agent_id: str, query: str = "", target: str = "archival") -> str:
    return text_of(browser.get(f"/archives/of/{agent_id}/{query}", headers=htmx(target)))


def test_the_agent_page_loads_the_panel(browser: Client) -> None:
    agent = an_agent()
    assert f'hx-get="/archives/of/{agent.pk}/"' in text_of(browser.get(f"/agents/{agent.pk}/"))
    html = panel(browser, agent.pk)
    assert "archival_memory_insert" in html and 'type="search"' not in html
    assert forbidden_in(html) == []


def test_a_passage_is_added_found_and_deleted(browser: Client) -> None:
    agent = an_agent()
    path = f"/archives/of/{agent.pk}/"
    added = browser.post(f"{path}add/", {"text": "The ferry is <b>red</b>.", "tags": "ferry, ferry, x"}, headers=htmx())
    assert toast_of(added)["text"] == "Added to archival memory"
    assert "The ferry is &lt;b&gt;red&lt;/b&gt;." in text_of(added) and forbidden_in(text_of(added)) == []
    passage = Passage.objects.get()
    assert passage.tags == ["ferry", "x"]

    rows = panel(browser, agent.pk, "?q=ferries", "archival-rows")
    assert "The ferry" in rows and "New passage" not in rows
    assert "Nothing found for “volcano”" in panel(browser, agent.pk, "?q=volcano", "archival-rows")

    gone = browser.post(f"{path}{passage.pk}/forget/", headers=htmx())
    assert toast_of(gone)["text"] == "Passage deleted"
    assert not Passage.objects.exists()
    assert logged(passage, "deleted")  # type: ignore[arg-type]


def test_an_empty_passage_is_refused_where_it_was_typed(browser: Client) -> None:
    agent = an_agent()
    answer = browser.post(f"/archives/of/{agent.pk}/add/", {"text": " "}, headers=htmx())
    assert answer.status_code == 422
    assert "There is no text to remember." in text_of(answer)
    assert not Passage.objects.exists()


def test_more_passages_come_when_asked_for(browser: Client) -> None:
    agent = an_agent()
    for number in range(25):
        insert(agent.pk, f"memory {number:02}")
    first = panel(browser, agent.pk)
    assert "memory 24" in first and "memory 15" in first and "memory 14" not in first
    assert "?after=10" in first and "Search 25 passages" in first
    more = panel(browser, agent.pk, "?after=20", "")
    assert "memory 04" in more and "memory 00" in more and "memory 05" not in more and "?after=" not in more


def test_another_agents_passage_cannot_be_deleted_here(browser: Client) -> None:
    agent, other = an_agent(), an_agent("Other")
    passage = insert(agent.pk, "mine")
    assert browser.post(f"/archives/of/{other.pk}/{passage.pk}/forget/").status_code == 404
    assert browser.post(f"/archives/of/{agent.pk}/{passage.pk}/forget/")["Location"] == f"/agents/{agent.pk}/"
