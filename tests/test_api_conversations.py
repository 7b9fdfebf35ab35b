"""/v1/conversations: histories of an agent beside its own one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import AsyncClient
from django.test.utils import CaptureQueriesContext

from access.keys import first_person, make_api_key
from agents.models import Agent
from llms.testing import ScriptedClient, asks_for, says
from runs.database import in_database
from runs.dispatch import start_run
from runs.models import Conversation, Message, Run
from tests.api_client import Api
from tests.workers import ended, make_agent, send, working

Json = dict[str, Any]
NOBODY = "conv-00000000-0000-4000-8000-000000000000"


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent(model="demo/planner")


def begin(api: Api, agent: Agent, **fields: Any) -> Json:
    made: Json = api.post(f"/conversations/?agent_id={agent.pk}", fields)
    return made


def ids(found: list[Json]) -> list[str]:
    return [item["id"] for item in found]


def fill(agent: Agent, conversation: Conversation | None, count: int) -> None:
    for number in range(1, count + 1):
        Message.objects.create(
            agent=agent,
            conversation=conversation,
            position=number,
            role="user",
            content=f"{number}",
            created_at="2026-05-01T12:00:00Z",
        )


def test_a_conversation_is_made_read_and_changed(api: Api, agent: Agent) -> None:
    settings = {"provider_type": "openai", "temperature": 0.2}
    made = begin(api, agent, summary="Tides", model="openai/gpt-5", model_settings=settings, context_window_limit=9000)
    assert made["id"].startswith("conv-")
    assert (made["agent_id"], made["summary"], made["archived"]) == (agent.pk, "Tides", False)
    assert (made["model"], made["model_settings"]["temperature"]) == ("openai/gpt-5", 0.2)
    assert api.get(f"/conversations/{made['id']}") == made
    changed = api.patch(f"/conversations/{made['id']}", {"archived": True, "model": None})
    assert (changed["archived"], changed["model"], changed["summary"]) == (True, None, "Tides")
    assert changed["archived_at"] is not None
    assert api.patch(f"/conversations/{made['id']}", {"archived": False})["archived_at"] is None
    assert api.delete(f"/conversations/{made['id']}") is None
    api.get(f"/conversations/{made['id']}", status=404)


def test_what_makes_no_sense_is_refused(api: Api, agent: Agent) -> None:
    assert "nowhere" in api.post(f"/conversations?agent_id={agent.pk}", {"model": "nowhere/x"}, status=404)["detail"]
    asked = api.post(f"/conversations?agent_id={agent.pk}", {"isolated_block_labels": ["human"]}, status=501)
    assert "isolated_block_labels" in asked["detail"]
    api.post("/conversations", {}, status=422)
    api.get(f"/conversations/{NOBODY}", status=404)
    assert "conv-<uuid4>" in api.get("/conversations/mine", status=422)["detail"]
    assert "agent_id" in api.get("/conversations/default/messages", status=422)["detail"]
    other = make_agent()
    talk = begin(api, agent)
    api.get(f"/conversations/{talk['id']}/messages?agent_id={other.pk}", status=404)
    api.get(f"/agents/{other.pk}/messages?conversation_id={talk['id']}", status=404)


def test_the_list_has_filters_orders_and_pages(api: Api, agent: Agent) -> None:
    one, two, three = (begin(api, agent, summary=text) for text in ("One", "Two", "Three"))
    hidden = begin(api, agent, hidden=True)
    elsewhere = begin(api, make_agent())
    api.patch(f"/conversations/{three['id']}", {"archived": True})
    mine = f"/conversations/?agent_id={agent.pk}"
    assert ids(api.get(mine)) == [two["id"], one["id"]]
    assert ids(api.get(f"{mine}&archive_status=archived")) == [three["id"]]
    assert ids(api.get(f"{mine}&archive_status=all&order=asc")) == [one["id"], two["id"], three["id"]]
    assert ids(api.get(f"{mine}&summary_search=tW")) == [two["id"]]
    assert ids(api.get("/conversations")) == [elsewhere["id"], two["id"], one["id"]]
    assert ids(api.get(f"{mine}&limit=1&after={two['id']}")) == [one["id"]]
    api.patch(f"/conversations/{one['id']}", {"last_message_at": "2026-01-01T00:00:00Z"})
    by_message = f"{mine}&order_by=last_message_at"
    assert ids(api.get(by_message)) == [one["id"], two["id"]]
    assert ids(api.get(f"{by_message}&after={one['id']}")) == [two["id"]]
    assert api.get(f"{by_message}&after={two['id']}") == []
    assert hidden["hidden"] is True


def test_pages_of_messages_go_on_in_the_order_asked_for(api: Api, agent: Agent) -> None:
    talk = Conversation.objects.create(agent=agent)
    fill(agent, talk, 5)
    fill(agent, None, 2)
    path = f"/conversations/{talk.pk}/messages?limit=2"
    for order, wanted in (("desc", "54321"), ("asc", "12345")):
        seen, after = "", ""
        while page := api.get(f"{path}&order={order}{after}"):
            seen += "".join(message["content"] for message in page)
            after = f"&after={page[-1]['id']}"
        assert seen == wanted
    newest = api.get(path)
    assert [message["content"] for message in newest] == ["5", "4"]
    earlier = api.get(f"{path}&before={newest[1]['id']}")
    assert [message["content"] for message in earlier] == ["5"]
    own = [message["content"] for message in api.get(f"/conversations/default/messages?agent_id={agent.pk}")]
    assert own == ["2", "1"]
    assert [message["content"] for message in api.get(f"/conversations/{agent.pk}/messages")] == own
    assert [message["content"] for message in api.get(f"/agents/{agent.pk}/messages")] == ["1", "2"]
    there = api.get(f"/agents/{agent.pk}/messages?conversation_id={talk.pk}")
    assert [message["content"] for message in there] == ["1", "2", "3", "4", "5"]
    assert api.get(f"{path}&group_id=group-1") == []


@pytest.mark.parametrize("path", ["/conversations/?limit=100", "/conversations/{talk}/messages?limit=100"])
def test_a_long_list_takes_as_many_queries_as_a_short_one(api: Api, agent: Agent, path: str) -> None:
    talk = Conversation.objects.create(agent=agent)
    fill(agent, talk, 1)
    path = path.format(talk=talk.pk)
    with CaptureQueriesContext(
        connection,
    ) as short:
        assert len(api.get(path)) == 1
    Message.objects.all().delete()
    fill(agent, talk, 50)
    for _ in range(49):
        made = Conversation.objects.create(agent=agent)
        Run.objects.create(agent=agent, conversation=made)
    with CaptureQueriesContext(connection) as long:
        assert len(api.get(path)) == 50
    assert len(long) == len(short)


def test_fork_and_recompile_over_http(api: Api, agent: Agent) -> None:
    fill(agent, None, 3)
    agent.system = "Be brief."
    agent.save()
    second = api.get(f"/agents/{agent.pk}/messages")[1]["id"]
    fork = api.post(f"/conversations/default/fork?agent_id={agent.pk}&message_id={second}&hidden=true")
    assert [message["content"] for message in api.get(f"/conversations/{fork['id']}/messages")] == ["2", "1"]
    assert (fork["hidden"], len(fork["in_context_message_ids"])) == (True, 2)
    assert second not in fork["in_context_message_ids"]
    again = api.post(f"/conversations/{fork['id']}/fork")
    assert len(again["in_context_message_ids"]) == 2
    assert "no message" in api.post(f"/conversations/{fork['id']}/fork?message_id={second}", status=400)["detail"]
    assert api.post(f"/conversations/{fork['id']}/recompile", {}) == "Be brief."
    assert api.post("/conversations/default/recompile?dry_run=true", {"agent_id": agent.pk}) == "Be brief."


def test_cancel_is_for_one_conversation(api: Api, agent: Agent) -> None:
    talk = begin(api, agent)
    said = [{"role": "user", "content": "Hello"}]
    own = start_run(agent, said, started_by="test")
    there = start_run(agent, said, started_by="test", conversation=Conversation.objects.get())
    assert api.get(f"/runs/{there.pk}")["conversation_id"] == talk["id"]
    assert api.post(f"/conversations/{talk['id']}/cancel") == {there.pk: "cancelled"}
    api.post(f"/conversations/{talk['id']}/cancel", status=409)
    assert api.post(f"/conversations/default/cancel?agent_id={agent.pk}") == {own.pk: "cancelled"}


class Streaming:
    """What the API's async views answer, with a key."""

    def __init__(self, key: str) -> None:
        self._client = AsyncClient()
        self._headers = {"Authorization": f"Bearer {key}"}

    async def post(self, path: str, body: Json, **headers: str) -> Any:
        sent = json.dumps(body)
        return await self._client.post(
            f"/v1{path}", sent, content_type="application/json", headers={**self._headers, **headers}
        )

    async def told(self, path: str, body: Json) -> list[Json]:
        """The chunks of a stream, without those that have a name."""
        answer = await self.post(path, body)
        assert answer["Content-Type"] == "text/event-stream", answer.content
        text = "".join([piece.decode() async for piece in answer.streaming_content])
        assert text.endswith("data: [DONE]\n\n")
        blocks = [block for block in text.split("\n\n") if block.startswith("data: {")]
        return [json.loads(block.removeprefix("data: ")) for block in blocks]


async def connect() -> Streaming:
    return Streaming(await in_database(lambda: make_api_key(first_person(), "tests")))


@pytest.mark.django_db(transaction=True)
async def test_a_busy_agent_is_told_of_where_that_is_asked_for() -> None:
    agent = await in_database(make_agent)
    talk = await in_database(lambda: Conversation.objects.create(agent=agent))
    run = await send(agent)
    http = await connect()
    busy = await http.post(f"/conversations/{talk.pk}/messages", {"input": "Hi"}, **{"X-On-Busy": "reject"})
    assert (busy.status_code, busy.json()["run_id"]) == (409, run.pk)


@pytest.mark.django_db(transaction=True)
async def test_stream_without_an_active_run_says_so() -> None:
    agent = await in_database(make_agent)
    talk = await in_database(lambda: Conversation.objects.create(agent=agent))
    http = await connect()
    idle = await http.post(f"/conversations/{talk.pk}/stream", {})
    assert (idle.status_code, "No run is active" in idle.json()["detail"]) == (400, True)
    assert (await http.post(f"/conversations/{talk.pk}/stream", {"otid": "x"})).status_code == 404


@pytest.mark.django_db(transaction=True)
async def test_messages_stream_by_default_and_a_run_can_be_streamed_again() -> None:
    agent = await in_database(make_agent, ("look", True))
    http = await connect()
    talk = await in_database(lambda: Conversation.objects.create(agent=agent))
    path = f"/conversations/{talk.pk}"
    script = ScriptedClient(asks_for("look", "look"), says("Both seen."), says("Here."))
    async with working(script):
        sent = {"messages": [{"role": "user", "content": "Look", "otid": "otid-1"}]}
        told = await http.told(f"{path}/messages", sent)
        body = {"input": "Once more", "streaming": False, "agent_id": agent.pk}
        plain = await http.post("/conversations/default/messages", body)
        again = await http.told(f"{path}/stream", {"otid": "otid-1"})
    kinds = [item["message_type"] for item in told]
    assert kinds[0] == "ping"
    assert kinds[-2:] == ["stop_reason", "usage_statistics"]
    assert [kind for kind in kinds if kind.startswith("tool_")] == ["tool_call_message", "tool_return_message"]
    assert [item for item in again if item["message_type"] != "ping"] == [
        item for item in told if item["message_type"] != "ping"
    ]
    assert [message["content"] for message in plain.json()["messages"]] == ["Here."]
    run = await in_database(lambda: Run.objects.get(conversation=talk))
    assert [message.role for message in script.requests[2].messages if message.text] == ["user"]
    assert run.stop_reason == "end_turn"


@pytest.mark.django_db(transaction=True)
async def test_an_approval_belongs_to_its_conversation() -> None:
    agent = await in_database(make_agent, "risky")
    agent.tool_rules = [{"type": "requires_approval", "tool_name": "risky"}]
    await in_database(agent.save)
    http = await connect()
    talk = await in_database(lambda: Conversation.objects.create(agent=agent))
    script = ScriptedClient(asks_for("risky"), says("Own."), says("Done."))
    async with working(script):
        told = await http.told(f"/conversations/{talk.pk}/messages", {"input": "Dare"})
        (request,) = [item for item in told if item["message_type"] == "approval_request_message"]
        busy = await http.post(f"/conversations/{talk.pk}/messages", {"input": "More"})
        assert busy.status_code == 409
        assert busy.json()["detail"]["code"] == "PENDING_APPROVAL"
        await ended((await send(agent, "in its own history")).pk)
        call_id = request["tool_calls"][0]["tool_call_id"]
        approval = {"type": "approval", "approvals": [{"tool_call_id": call_id, "approve": True}]}
        wrong = await http.post(f"/agents/{agent.pk}/messages", {"messages": [approval]})
        assert wrong.status_code == 400
        done = await http.told(f"/conversations/{talk.pk}/messages", {"messages": [approval]})
    assert [item["content"] for item in done if item["message_type"] == "assistant_message"] == ["Done."]
