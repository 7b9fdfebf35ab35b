"""What people can put into a message request, and what comes of it: content, roles, overrides, filters, callbacks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from django.test import Client
from django.utils import timezone

from access.keys import first_person, make_api_key
from agents.models import Agent
from api.dispatching import Envelope, begin
from api.schemas.inputs import Sent
from llms import anthropic_request, openai_request
from llms.catalogue import describe
from llms.demo.client import answer
from llms.testing import ScriptedClient, says
from llms.types import ImagePart, ModelMessage, ModelRequest, Role, TextPart
from runs.callbacks import RETRY_AFTER, call_back
from runs.database import in_database
from runs.models import Callback, Message, Run
from tests.workers import ended, make_agent, working

pytestmark = pytest.mark.django_db(transaction=True)

PIXEL = base64.b64encode(b"not really a picture").decode()
PICTURE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}}
TEXT = {"type": "text", "text": "What is this?"}


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def post(client: Client, agent: Agent, body: dict[str, Any], path: str = "messages/async") -> Any:
    return client.post(f"/v1/agents/{agent.pk}/{path}", data=json.dumps(body), content_type="application/json")


def listed(client: Client, agent: Agent) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"/v1/agents/{agent.pk}/messages").json()
    return messages


async def begun(agent: Agent, **body: Any) -> Run:
    envelope = Envelope("test", b"", 0, rejects_when_busy=False)
    sent = Sent(**body)
    return await in_database(begin, agent.pk, sent, envelope, is_background=True, is_token_streamed=False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": "a", "messages": [{"role": "user", "content": "a"}]},
        {"input": ""},
        {"messages": []},
        {"input": [{"type": "text", "text": ""}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"messages": [{"content": "a"}]},
        {"messages": [{"role": "assistant", "content": [PICTURE]}]},
        {"input": [{"type": "tool_call", "id": "x", "name": "y", "input": {}}]},
        {"input": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%%%"}}]},
        {"input": [{"type": "image", "source": {"type": "base64", "media_type": "text/html", "data": PIXEL}}]},
        {"input": [{"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}]},
        {"input": "a", "max_steps": 0},
        {"input": "a", "include_return_message_types": ["telegram"]},
        {"input": "a", "callback_url": "ftp://example.com/"},
        {"input": "a", "callback_url": "javascript:alert(1)"},
        {"input": "a", "client_tools": [{"name": "two words"}]},
        {"input": "a", "client_tools": [{"name": "look"}, {"name": "look"}]},
        {"input": "a", "client_tools": [{"name": "look", "parameters": {"type": "string"}}]},
        {"input": "a", "client_tools": [{"name": "look", "parameters": {"properties": {"a": {"type": "nonsense"}}}}]},
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_stored(client: Client, body: dict[str, Any]) -> None:
    agent = make_agent()
    answered = post(client, agent, body)
    assert answered.status_code == 422, answered.json()
    assert not Run.objects.exists()


@pytest.mark.parametrize(("handle", "status"), [("nobody/x", 404), ("demo/other", 404), ("gpt-4.1", 400)])
def test_an_unknown_model_for_one_request_is_refused(client: Client, handle: str, status: int) -> None:
    answered = post(client, make_agent(), {"input": "a", "override_model": handle})
    assert answered.status_code == status
    assert handle in answered.json()["detail"]


def test_what_cannot_be_done_is_said(client: Client) -> None:
    answered = post(client, make_agent(), {"input": "a", "return_logprobs": True})
    assert (answered.status_code, answered["x-should-retry"]) == (501, "false")


def test_deprecated_parameters_are_accepted(client: Client) -> None:
    body = {"input": "a", "use_assistant_message": False, "assistant_message_tool_name": "send_message"}
    assert post(client, make_agent(), body | {"enable_thinking": "true"}).status_code == 200


@pytest.mark.parametrize("content", [[TEXT, PICTURE, LINKED], [{"text": "no type"}]])
def test_parts_are_stored_and_listed_back_as_they_came(client: Client, content: list[dict[str, Any]]) -> None:
    agent = make_agent()
    run = Run.objects.get(pk=post(client, agent, {"input": content}).json()["id"])
    row = Message.objects.get(run=run)
    row.position = 1
    row.save()
    assert [message["content"] for message in listed(client, agent)] == [[{"type": "text", **part} for part in content]]


async def test_pictures_reach_the_model_in_their_order() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(says("A cat."))
    async with working(scripted):
        await ended((await begun(agent, input=[LINKED, TEXT, PICTURE])).pk)
    message = scripted.requests[0].messages[-1]
    assert message.text == "What is this?"
    assert message.parts == (
        ImagePart(url="https://example.com/cat.png"),
        TextPart("What is this?"),
        ImagePart("image/png", PIXEL),
    )


def test_each_provider_is_shown_pictures_in_its_own_shape() -> None:
    parts = (
        TextPart("Look:"),
        ImagePart("image/png", PIXEL, detail="low"),
        ImagePart(url="https://example.com/cat.png"),
    )
    asked = ModelRequest("x", (ModelMessage(Role.USER, "Look:", parts=parts),))
    openai = openai_request.write_request(asked, describe("openai/gpt-4.1"), is_official=True)
    assert openai["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
    ]
    claude = anthropic_request.write_request(asked, describe("anthropic/claude-sonnet-4-5"))
    assert claude["messages"][0]["content"] == [
        {"type": "text", "text": "Look:"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/cat.png"}},
    ]


def test_the_demo_model_says_that_it_cannot_see() -> None:
    parts = (TextPart("What is this?"), ImagePart("image/png", PIXEL))
    said = answer(ModelRequest("planner", (ModelMessage(Role.USER, "What is this?", parts=parts),))).text
    assert "cannot see the picture" in said


async def test_system_and_assistant_messages_join_the_history_and_are_not_answered_back() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(says("Fine."))
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": [{"type": "text", "text": "I said this."}]},
        {"role": "user", "content": "Go on", "name": "ann", "otid": "otid-1", "sender_id": "identity-1"},
    ]
    async with working(scripted):
        run = await ended((await begun(agent, messages=messages)).pk)
    roles = [(message.role.value, message.text) for message in scripted.requests[0].messages]
    assert roles == [("system", "Be brief."), ("assistant", "I said this."), ("user", "Go on")]
    client = Client(
        headers={"Authorization": f"Bearer {await in_database(make_api_key, await in_database(first_person), 't')}"}
    )
    told = await in_database(listed, client, agent)
    assert [message["message_type"] for message in told] == [
        "system_message",
        "assistant_message",
        "user_message",
        "assistant_message",
    ]
    assert [told[2][key] for key in ("name", "otid", "sender_id")] == ["ann", "otid-1", "identity-1"]
    from api.schemas.runs import letta_response

    response = await in_database(letta_response, run, None)
    assert [message["content"] for message in response["messages"]] == ["Fine."]


async def test_a_history_that_ends_with_the_models_own_words_is_gone_on_with() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(says("More."))
    async with working(scripted):
        await ended((await begun(agent, messages=[{"role": "assistant", "content": "So far."}])).pk)
    assert [message.role for message in scripted.requests[0].messages] == [Role.ASSISTANT, Role.USER]


async def test_model_and_system_prompt_are_overridden_for_one_request_alone() -> None:
    agent = await in_database(make_agent)
    await in_database(lambda: Agent.objects.update(system="I am the agent's."))
    scripted = ScriptedClient(says("One."), says("Two."))
    async with working(scripted):
        first = await ended(
            (await begun(agent, input="a", override_model="openai/gpt-4o-mini", override_system="Another.")).pk
        )
        await ended((await begun(agent, input="b")).pk)
    asked = [(request.model, request.messages[0].text) for request in scripted.requests]
    assert asked == [("gpt-4o-mini", "Another."), ("gpt-4.1", "I am the agent's.")]
    step = await in_database(first.steps.get)
    assert step.model == "openai/gpt-4o-mini"


async def test_client_skills_stand_in_the_system_prompt() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(says("One."))
    skill = {"name": "pdf", "description": "Fills forms", "location": "skills/pdf/SKILL.md"}
    async with working(scripted):
        await ended((await begun(agent, input="a", client_skills=[skill])).pk)
    assert "- pdf (skills/pdf/SKILL.md): Fills forms" in scripted.requests[0].messages[0].text


@pytest.mark.parametrize("name", ["include_return_message_types", "return_message_types"])
def test_only_the_wanted_types_are_given_back(name: str) -> None:
    sent = Sent.model_validate({"input": "a", name: ["tool_call_message"]})
    assert sent.include_return_message_types == ["tool_call_message"]


class Listener:
    """An address that is called back: it answers with these statuses in turn, then with the last one."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self.heard: list[dict[str, Any]] = []

    def transport(self) -> httpx2.MockTransport:
        """How to reach it."""
        return httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.heard.append({"url": str(request.url), "body": json.loads(request.content)})
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return httpx2.Response(status)


async def a_run_with_callback(monkeypatch: pytest.MonkeyPatch) -> Run:
    """An ended run whose callback nobody has told yet."""
    never = asyncio.Event()
    monkeypatch.setattr("runs.worker.call_back", never.wait)
    agent = await in_database(make_agent)
    async with working(ScriptedClient(says("Done."))):
        return await ended((await begun(agent, input="a", callback_url="https://example.com/hook")).pk)


async def make_due() -> None:
    await in_database(lambda: Callback.objects.update(next_try_at=timezone.now()))


async def test_a_callback_is_told_of_the_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = await a_run_with_callback(monkeypatch)
    listener = Listener(204)
    await asyncio.gather(call_back(listener.transport()), call_back(listener.transport()))
    await make_due()
    await call_back(listener.transport())
    assert [heard["url"] for heard in listener.heard] == ["https://example.com/hook"]
    body = listener.heard[0]["body"]
    assert (body["id"], body["status"], body["stop_reason"]) == (run.pk, "completed", "end_turn")
    from api.schemas.runs import run_state

    state = run_state(await in_database(Run.objects.select_related("callback").get, pk=run.pk))
    assert (state["callback_url"], state["callback_status_code"], state["callback_error"]) == (
        "https://example.com/hook",
        204,
        None,
    )
    assert state["callback_sent_at"]


async def test_a_callback_that_fails_is_tried_again_and_then_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    await a_run_with_callback(monkeypatch)
    listener = Listener(500)
    for _ in range(len(RETRY_AFTER) + 3):
        await call_back(listener.transport())
        await call_back(listener.transport())  # not before its time
        await make_due()
    assert len(listener.heard) == len(RETRY_AFTER) + 1
    callback = await in_database(Callback.objects.get)
    assert (callback.is_done, callback.status_code) == (True, 500)


async def test_a_callback_whose_worker_died_is_told_by_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    await a_run_with_callback(monkeypatch)
    from runs.callbacks import take_due

    assert len(await in_database(take_due)) == 1  # and then that worker is gone
    listener = Listener(200)
    await call_back(listener.transport())
    assert listener.heard == []  # it may still be at it
    await make_due()
    await call_back(listener.transport())
    assert len(listener.heard) == 1


async def test_the_worker_calls_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(200)
    told = asyncio.Event()

    async def tell() -> None:
        await call_back(listener.transport())
        if listener.heard:
            told.set()

    monkeypatch.setattr("runs.worker.call_back", tell)
    agent = await in_database(make_agent)
    async with working(ScriptedClient(says("Done."))):
        await ended((await begun(agent, input="a", callback_url="https://example.com/hook")).pk)
        async with asyncio.timeout(20):
            await told.wait()
    assert len(listener.heard) == 1
