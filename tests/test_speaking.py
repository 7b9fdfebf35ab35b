"""Agents of older types speak by calls of send_message: over the API that is a message like any other."""

from __future__ import annotations

import pytest

from access.activity import Actor
from access.database import in_database
from agents.models import Agent
from agents.roster import create_agent
from api.schemas.messages import Wire, wire_list
from api.stream import Heard, Teller
from llms.testing import ScriptedClient, asks_for, says
from runs.equipping import equip
from runs.message_search import search_messages
from runs.models import Message, Run, RunDelta
from tests.test_api_stream import AT, STEP, answer, event, planned, said
from tests.workers import ToolboxDouble, ended, send, working
from tools.toolbox import Caller, Toolbox

SAY = ("send_message", {"message": "High water is at noon."})
LOOK = ("conversation_search", {"query": "tides"})


def a_speaker(agent_type: str = "memgpt_v2_agent", *, ends: bool = True) -> Agent:
    return create_agent(
        Actor(None, "test"),
        fields={"name": "speaker", "model": "openai/gpt-4.1", "agent_type": agent_type},
        tool_names=("send_message",),
        include_base_tools=True,
        include_base_tool_rules=ends,
    )


def history(agent: Agent) -> list[Wire]:
    return wire_list(Message.objects.filter(agent=agent).exclude(position=None).order_by("position"))


async def run(agent: Agent, client: ScriptedClient) -> Run:
    with client:
        async with working(client, ToolboxDouble(Toolbox(equip).of(Caller(agent.pk)))):
            return await ended((await send(agent, "When is high water?")).pk)


@pytest.mark.django_db(transaction=True)
class TestHistory:
    """What lists and answers tell."""

    async def test_a_message_that_was_sent_is_told_as_a_message_and_ends_the_run(self) -> None:
        agent = await in_database(a_speaker)
        done = await run(agent, ScriptedClient(asks_for(SAY)))
        told = await in_database(history, agent)
        assert [message["message_type"] for message in told] == ["user_message", "assistant_message"]
        assert told[1]["content"] == "High water is at noon."
        assert done.stop_reason == "tool_rule"
        (row,) = await in_database(lambda: list(Message.objects.filter(role="tool")))
        assert row.returns[0]["text"] == "Sent message successfully."

    async def test_other_calls_of_the_batch_are_told_as_calls(self) -> None:
        agent = await in_database(a_speaker, ends=False)
        await run(agent, ScriptedClient(asks_for(LOOK, SAY, text="Thinking aloud."), says("That is all.")))
        told = await in_database(history, agent)
        assert [message["message_type"] for message in told] == [
            "user_message",
            "assistant_message",
            "assistant_message",
            "tool_call_message",
            "tool_return_message",
            "assistant_message",
        ]
        assert [message["content"] for message in told if message["message_type"] == "assistant_message"] == [
            "Thinking aloud.",
            "High water is at noon.",
            "That is all.",
        ]
        calls, returns = told[3]["tool_calls"], told[4]["tool_returns"]
        assert [call["name"] for call in calls] == [each["name"] for each in returns] == ["conversation_search"]
        assert len({message["otid"] for message in told}) == len(told)

    async def test_what_was_sent_is_found_again(self) -> None:
        agent = await in_database(a_speaker)
        await run(agent, ScriptedClient(asks_for(SAY)))
        (hit,) = await in_database(search_messages, agent.pk, "noon", roles=["assistant"])
        assert hit.text == "High water is at noon."

    async def test_a_call_that_failed_is_told_as_the_call_it_was(self) -> None:
        agent = await in_database(a_speaker, ends=False)
        await run(agent, ScriptedClient(asks_for(("send_message", {"text": "wrong name"})), says("Again.")))
        told = await in_database(history, agent)
        assert [message["message_type"] for message in told][1:3] == ["tool_call_message", "tool_return_message"]
        assert told[2]["tool_returns"][0]["status"] == "error"

    async def test_agents_of_the_usual_type_call_it_as_any_tool(self) -> None:
        agent = await in_database(a_speaker, "letta_v1_agent", ends=False)
        await run(agent, ScriptedClient(asks_for(SAY), says("Done.")))
        told = await in_database(history, agent)
        assert [message["message_type"] for message in told][1:3] == ["tool_call_message", "tool_return_message"]


class TestStream:
    """What a stream tells."""

    SPOKEN = [
        {
            "id": "call_s",
            "name": "send_message",
            "arguments": '{"message": "Hello."}',
            "needs_approval": False,
            "is_spoken": True,
        },
        {"id": "call_a", "name": "web", "arguments": "{}", "needs_approval": False},
    ]

    def test_in_step_mode_it_comes_before_the_other_calls(self) -> None:
        teller, row = Teller("run-1"), answer(calls=self.SPOKEN)
        teller.tell(Heard(event("model.responded", 3), row))
        assert said(teller.tell(Heard(planned(), row))) == ["assistant_message", "tool_call_message"]

    def test_in_token_mode_it_comes_whole_and_once(self) -> None:
        teller = Teller("run-1", is_token_mode=True, held_back=frozenset({"send_message"}), date=AT.isoformat())
        row = answer(calls=self.SPOKEN, content="", reasoning="")
        call = {"index": 0, "id": "call_s", "name": "send_message"}
        piece = RunDelta(run_id="run-1", delta_seq=1, after_seq=2, step_id=STEP, kind="call", text='{"mess', call=call)
        assert teller.tell_delta(piece) == []
        assert said(teller.tell(Heard(event("model.responded", 3), row))) == []
        chunks = teller.tell(Heard(planned(), row))
        assert said(chunks) == ["assistant_message", "tool_call_message"]
        assert chunks[0].data["content"] == "Hello."
        assert chunks[1].data["tool_calls"]["tool_call_id"] == "call_a"

    def test_one_that_a_person_has_to_approve_is_told_as_a_request(self) -> None:
        teller, row = Teller("run-1"), answer(calls=[{**self.SPOKEN[0], "needs_approval": True}])
        assert said(teller.tell(Heard(event("approval.requested", 4, call_ids=["call_s"]), row))) == [
            "approval_request_message"
        ]
