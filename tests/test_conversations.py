"""Conversations: each has its own history, and one run at a time goes on for all of an agent (rule 6.4)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError

from agents.models import Agent
from engine.specs import Decision, RunStatus
from llms.testing import ScriptedClient, asks_for, says
from llms.types import ModelRequest
from runs.conversations import UnknownMessage, create_conversation, fork_conversation
from runs.database import in_database
from runs.dispatch import (
    AgentBusy,
    PendingApproval,
    WrongCalls,
    cancel_conversation,
    decide,
    pending_calls,
    pending_run,
    start_run,
)
from runs.models import Conversation, Message, Run
from runs.takeover import claim_waiting
from tests.workers import ended, make_agent, send, working

pytestmark = pytest.mark.django_db(transaction=True)


async def begin(agent: Agent, **fields: Any) -> Conversation:
    return await in_database(create_conversation, agent, fields)


def approval_agent() -> Agent:
    agent = make_agent("risky")
    agent.tool_rules = [{"type": "requires_approval", "tool_name": "risky"}]
    agent.save()
    return agent


def asked(request: ModelRequest) -> list[str]:
    return [message.text for message in request.messages if message.role in ("user", "assistant")]


async def history(agent: Agent, conversation: Conversation | None) -> list[str]:
    rows = Message.objects.filter(agent=agent, conversation=conversation).exclude(position=None).order_by("position")
    return await in_database(lambda: [str(row.content) for row in rows])


async def pending_of(agent: Agent, conversation: Conversation | None) -> list[str]:
    def read() -> list[str]:
        run = pending_run(agent, conversation)
        return [call.pk for call in pending_calls(run)] if run else []

    return await in_database(read)


async def test_each_conversation_has_its_own_history() -> None:
    agent = await in_database(make_agent)
    one, two = await begin(agent), await begin(agent)
    client = ScriptedClient(*(says(f"answer {number}") for number in range(4)))
    async with working(client):
        await ended((await send(agent, "own")).pk)
        await ended((await send(agent, "in one", conversation=one)).pk)
        await ended((await send(agent, "in two", conversation=two)).pk)
        last = await ended((await send(agent, "in one again", conversation=one)).pk)
    assert [asked(request) for request in client.requests] == [
        ["own"],
        ["in one"],
        ["in two"],
        ["in one", "answer 1", "in one again"],
    ]
    assert await history(agent, None) == ["own", "answer 0"]
    assert await history(agent, two) == ["in two", "answer 2"]
    assert last.conversation_id == one.pk
    one = await in_database(Conversation.objects.get, pk=one.pk)
    assert one.last_message_at == last.created_at


async def test_a_batch_in_a_conversation_is_answered_there() -> None:
    agent = await in_database(make_agent, ("look", True))
    talk = await begin(agent)
    client = ScriptedClient(says("hello"), asks_for("look", "look"), says("Done."))
    async with working(client):
        await ended((await send(agent, "own")).pk)
        run = await ended((await send(agent, "look twice", conversation=talk)).pk)
    assert (run.stop_reason, run.call_count) == ("end_turn", 2)
    roles = Message.objects.filter(conversation=talk).order_by("position")
    assert await in_database(lambda: list(roles.values_list("role", flat=True))) == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]


def test_one_run_at_a_time_per_agent_in_whatever_conversation() -> None:
    agent = make_agent()
    talk, other = create_conversation(agent, {}), create_conversation(agent, {})
    runs = [start(agent, conversation) for conversation in (talk, None, other)]
    assert [claim.run_id for claim in claim_waiting("one")] == [runs[0].pk]
    assert claim_waiting("two") == []
    with pytest.raises(AgentBusy) as busy:
        start(agent, other, rejects_when_busy=True)
    assert busy.value.run_id in {run.pk for run in runs}
    with pytest.raises(IntegrityError):
        Run.objects.filter(pk=runs[1].pk).update(status=RunStatus.RUNNING)


async def test_approvals_hold_up_their_own_conversation_only() -> None:
    agent = await in_database(approval_agent)
    talk = await begin(agent)
    client = ScriptedClient(asks_for("risky"), says("own answer"), says("Done."))
    async with working(client):
        waiting = await ended((await send(agent, "dare", conversation=talk)).pk)
        assert waiting.stop_reason == "requires_approval"
        with pytest.raises(PendingApproval):
            await send(agent, "more", conversation=talk)
        assert (await ended((await send(agent, "meanwhile")).pk)).stop_reason == "end_turn"
        (call_id,) = await pending_of(agent, talk)
        assert await pending_of(agent, None) == []
        with pytest.raises(WrongCalls):
            await in_database(decide, agent, [], decided_by="me", conversation=talk)
        choice = [Decision(call_id, True)]
        carried = await in_database(decide, agent, choice, decided_by="me", conversation=talk)
        again = await in_database(decide, agent, choice, decided_by="me", conversation=talk)
        assert again.pk == carried.pk
        carried = await ended(carried.pk)
    assert (carried.conversation_id, carried.stop_reason) == (talk.pk, "end_turn")
    assert await history(agent, talk) == ["dare", "", "", "", "Done."]


def test_cancel_of_a_conversation_leaves_the_others() -> None:
    agent = make_agent()
    talk = create_conversation(agent, {})
    own, there = start(agent, None), start(agent, talk)
    assert cancel_conversation(agent, talk) == {there.pk: "cancelled"}
    own.refresh_from_db()
    assert own.status == RunStatus.CREATED


async def test_a_conversations_own_model_and_settings_are_used_in_it_alone() -> None:
    agent = await in_database(make_agent, model="openai/gpt-4.1")
    talk = await begin(agent, model="openai/gpt-5", model_settings={"temperature": 0.3, "max_output_tokens": 77})
    client = ScriptedClient(says("1"), says("2"))
    async with working(client):
        await ended((await send(agent, conversation=talk)).pk)
        await ended((await send(agent)).pk)
    assert [(one.model, one.temperature, one.max_output_tokens) for one in client.requests] == [
        ("gpt-5", 0.3, 77),
        ("gpt-4.1", None, None),
    ]
    stored = await in_database(Agent.objects.get, pk=agent.pk)
    assert (stored.model, stored.temperature) == ("openai/gpt-4.1", None)


async def test_a_fork_has_what_was_said_and_goes_its_own_way() -> None:
    agent = await in_database(make_agent, "look")
    client = ScriptedClient(asks_for("look"), says("Seen."), says("forked"), says("own"))
    async with working(client):
        run = await ended((await send(agent, "look")).pk)
        fork = await in_database(fork_conversation, agent, None)
        await ended((await send(agent, "aside", conversation=fork)).pk)
        await ended((await send(agent, "on")).pk)
    assert asked(client.requests[2]) == ["look", "", "Seen.", "aside"]
    assert asked(client.requests[3]) == ["look", "", "Seen.", "on"]
    assert await in_database(Message.objects.filter(run=run).count) == 4


@pytest.mark.parametrize(
    ("place", "roles"), [(0, ["user"]), (1, ["user", "assistant", "tool"]), (2, "user assistant tool")]
)
async def test_a_fork_at_a_message_never_parts_calls_from_their_returns(place: int, roles: Any) -> None:
    agent = await in_database(make_agent, "look")
    async with working(ScriptedClient(asks_for("look"), says("Seen."))):
        await ended((await send(agent, "look")).pk)
    rows = await in_database(lambda: list(Message.objects.filter(agent=agent).order_by("position")))
    fork = await in_database(fork_conversation, agent, None, upto=rows[place].pk)
    copied = Message.objects.filter(conversation=fork).order_by("position")
    wanted = roles.split() if isinstance(roles, str) else roles
    assert await in_database(lambda: list(copied.values_list("role", flat=True))) == wanted
    with pytest.raises(UnknownMessage):
        await in_database(fork_conversation, agent, fork, upto=rows[place].pk)


async def test_a_fork_leaves_out_calls_that_still_wait() -> None:
    agent = await in_database(approval_agent)
    client = ScriptedClient(asks_for("risky"), says("Hello."))
    async with working(client):
        await ended((await send(agent, "dare")).pk)
        fork = await in_database(fork_conversation, agent, None)
        assert await history(agent, fork) == ["dare"]
        await ended((await send(agent, "without", conversation=fork)).pk)
    assert asked(client.requests[1]) == ["dare", "without"]


def start(agent: Agent, conversation: Conversation | None, **options: Any) -> Run:
    said = [{"role": "user", "content": "Hello"}]
    return start_run(agent, said, started_by="test", conversation=conversation, **options)
