"""Conversations on the pages: the Simulator shows one of them, a run says in which it was."""

from __future__ import annotations

import pytest
from django.test import Client

from access.keys import first_person
from agents.models import Agent
from engine.specs import CallState
from runs.dispatch import start_run
from runs.models import Conversation, Message, Run
from tests.run_logs import held_log
from tests.stored_runs import store
from tests.workers import make_agent

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    client = Client(headers={"HX-Request": "true"})
    client.force_login(first_person())
    return client


@pytest.fixture
def agent() -> Agent:
    return make_agent(model="demo/planner")


def say(agent: Agent, text: str, conversation: Conversation | None = None) -> Run:
    return start_run(agent, [{"role": "user", "content": text}], started_by="test", conversation=conversation)


def page(browser: Client, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_the_simulator_shows_the_chosen_conversation_alone(browser: Client, agent: Agent) -> None:
    talk = Conversation.objects.create(agent=agent, summary="About tides")
    Conversation.objects.create(agent=agent, summary="Unseen", is_hidden=True)
    say(agent, "said in its own history")
    say(agent, "said aside", talk)
    path = f"/runs/agent/{agent.pk}"
    own = page(browser, f"{path}/simulator/")
    assert "said in its own history" in own
    assert "said aside" not in own
    assert "About tides" in own
    assert "Unseen" not in own
    aside = page(browser, f"{path}/simulator/?conversation={talk.pk}")
    assert "said aside" in aside
    assert "said in its own history" not in aside
    assert f'value="{talk.pk}" selected' in aside
    news = page(browser, f"{path}/news/?conversation={talk.pk}&after=")
    assert "said aside" in news
    assert "said in its own history" not in news
    page(browser, f"/runs/agent/{make_agent().pk}/simulator/?conversation={talk.pk}", status=404)


def test_sending_and_stopping_are_for_the_shown_conversation(browser: Client, agent: Agent) -> None:
    talk = Conversation.objects.create(agent=agent)
    own = say(agent, "own")
    path = f"/runs/agent/{agent.pk}"
    assert browser.post(f"{path}/send/", {"text": "Hello", "conversation": talk.pk}).status_code == 200
    message = Message.objects.get(conversation=talk)
    assert (message.content, message.agent_id) == ("Hello", agent.pk)
    assert browser.post(f"{path}/stop/", {"conversation": talk.pk}).status_code == 204
    assert Run.objects.get(conversation=talk).status == "cancelled"
    own.refresh_from_db()
    assert own.status == "created"


def test_a_new_conversation_is_begun_and_shown(browser: Client, agent: Agent) -> None:
    shown = browser.post(f"/runs/agent/{agent.pk}/begin/").content.decode()
    made = Conversation.objects.get(agent=agent)
    assert f'value="{made.pk}" selected' in shown


def test_a_run_says_in_which_conversation_it_was_and_its_calls_are_decided_there(browser: Client, agent: Agent) -> None:
    talk = Conversation.objects.create(agent=agent, summary="About tides")
    run = store(held_log(), agent)
    Run.objects.filter(pk=run.pk).update(conversation=talk)
    assert run.calls.filter(state=CallState.HELD).count() == 3
    assert "About tides" in page(browser, f"/runs/{run.pk}/")
    answer = browser.post(f"/runs/{run.pk}/decide/", {"all": "approve"})
    assert answer.status_code in (200, 204)
    resumed = Run.objects.get(resumes_run=run)
    assert resumed.conversation == talk
