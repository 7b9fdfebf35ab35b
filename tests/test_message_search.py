"""Full-text search of what was said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.models import Agent
from runs.message_search import search_messages
from runs.models import Conversation, Message

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def agent() -> Agent:
    return Agent.objects.create(name="Searched", model="demo/planner")


def say(agent: Agent, number: int, text: Any, role: str = "user", **fields: Any) -> Message:
    fields = {"position": number, "created_at": NOON + timedelta(minutes=number), "content": text, **fields}
    return Message.objects.create(agent=agent, role=role, **fields)


def texts(*args: Any, **kwargs: Any) -> list[str]:
    return [hit.text for hit in search_messages(*args, **kwargs)]


def test_more_of_the_words_come_first_then_the_newest(agent: Agent) -> None:
    for number, text in enumerate(["the blue boat", "a red boat", "a boat that is blue", "a car", "BLUE!"]):
        say(agent, number, text)
    assert texts(agent.pk, "blue boat") == ["the blue boat", "a boat that is blue", "BLUE!", "a red boat"]


def test_case_is_ignored_beyond_ascii_too(agent: Agent) -> None:
    say(agent, 1, "Ein ÜBLER Plan")
    say(agent, 2, [{"type": "text", "text": "Straße"}, {"type": "image", "source": {"data": "übler"}}])
    assert texts(agent.pk, "übler") == ["Ein ÜBLER Plan"]
    assert texts(agent.pk, "STRASSE") == ["Straße"]


@pytest.mark.parametrize("query", ["100%", "a_c", "\\d"])
def test_signs_that_databases_know_are_only_signs(agent: Agent, query: str) -> None:
    say(agent, 1, f"it says {query} here")
    say(agent, 2, "it says 1000, abc and 5 here")
    assert texts(agent.pk, query) == [f"it says {query} here"]


def test_reasoning_and_returns_are_found(agent: Agent) -> None:
    say(agent, 1, "Yes.", "assistant", reasoning="They mean the harbour")
    returned = {"call_id": "c", "name": "t", "outcome": "success", "text": "harbour closed", "stdout": "", "stderr": ""}
    say(agent, 2, "", "tool", returns=[returned])
    assert texts(agent.pk, "harbour") == ["harbour closed", "Yes."]
    assert texts(agent.pk, "harbour", roles=["assistant"]) == ["Yes."]


def test_filters_and_limit(agent: Agent) -> None:
    other = Agent.objects.create(name="Other", model="demo/planner")
    talk = Conversation.objects.create(agent=agent)
    say(agent, 1, "tea one")
    say(agent, 2, "tea two")
    say(agent, 1, "tea aside", conversation=talk, created_at=NOON + timedelta(seconds=90))
    say(other, 3, "tea elsewhere")
    say(agent, 9, "tea later", position=None)
    assert texts(None, "tea") == ["tea elsewhere", "tea two", "tea aside", "tea one"]
    assert texts(agent.pk, "tea", conversation_id=talk.pk) == ["tea aside"]
    assert texts(agent.pk, "tea", conversation_id="default") == ["tea two", "tea one"]
    assert texts(agent.pk, "tea", start=NOON + timedelta(minutes=2)) == ["tea two"]
    assert texts(agent.pk, "tea", end=NOON + timedelta(minutes=1)) == ["tea one"]
    assert texts(None, "tea", limit=1) == ["tea elsewhere"]
    assert texts(agent.pk, "", limit=2) == ["tea two", "tea aside"]


def test_one_query_however_many(agent: Agent, django_assert_num_queries: Any) -> None:
    for number in range(50):
        say(agent, number, f"word {number}")
    with django_assert_num_queries(1):
        assert len(search_messages(agent.pk, "word")) == 50
