"""Conversations, runs, steps and messages through the unmodified Python SDK."""

from __future__ import annotations

from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.sdk_support import connect, make_agent, make_tool
from tests.server_fixtures import TandemServer

pytestmark = pytest.mark.sdk


@pytest.fixture
def client(server: TandemServer) -> Letta:
    return connect(server)


def texts(messages: Any) -> list[str]:
    return [message.content for message in messages if message.message_type == "user_message"]


def send(client: Letta, conversation_id: str, text: str, **options: Any) -> list[Any]:
    with client.conversations.messages.create(conversation_id, input=text, **options) as stream:
        return list(stream)


def test_a_conversation_from_its_beginning_to_its_end(client: Letta) -> None:
    agent_id = make_agent(client, make_tool(client, "look_around"), model="demo/planner")
    talk = client.conversations.create(agent_id=agent_id, summary="Tides")
    told = send(client, talk.id, "Please look_around")
    kinds = [chunk.message_type for chunk in told]
    assert kinds[0] == "ping"
    assert {"tool_call_message", "tool_return_message", "assistant_message"} <= set(kinds)
    assert kinds[-2:] == ["stop_reason", "usage_statistics"]

    send(client, "default", "in its own history", agent_id=agent_id)
    for number in range(3):
        send(client, talk.id, f"message {number}")
    newest_first = [f"message {number}" for number in (2, 1, 0)] + ["Please look_around"]
    assert texts(client.conversations.messages.list(talk.id, limit=2)) == newest_first
    assert texts(client.conversations.messages.list(talk.id, limit=2, order="asc")) == newest_first[::-1]
    assert texts(client.conversations.messages.list(agent_id)) == ["in its own history"]
    assert texts(client.agents.messages.list(agent_id)) == ["in its own history"]

    fork = client.conversations.fork(talk.id)
    send(client, fork.id, "elsewhere")
    assert texts(client.conversations.messages.list(fork.id)) == ["elsewhere", *newest_first]
    assert texts(client.conversations.messages.list(talk.id)) == newest_first

    changed = client.conversations.update(talk.id, summary="Moon", archived=True)
    assert (changed.summary, changed.archived) == ("Moon", True)
    assert [one.id for one in client.conversations.list(agent_id=agent_id)] == [fork.id]
    assert [one.id for one in client.conversations.list(agent_id=agent_id, archive_status="archived")] == [talk.id]
    assert client.conversations.retrieve(talk.id).api_model_settings is None
    assert client.conversations.recompile(talk.id, dry_run=True).startswith('"')
    with pytest.raises(letta_client.ConflictError):
        client.with_options(max_retries=0).conversations.cancel(talk.id)
    client.conversations.delete(fork.id)
    with pytest.raises(letta_client.NotFoundError):
        client.conversations.retrieve(fork.id)


def test_runs_steps_and_messages_are_read_with_the_sdk(client: Letta) -> None:
    agent_id = make_agent(client, make_tool(client, "look_twice", parallel=True), model="demo/planner")
    talk = client.conversations.create(agent_id=agent_id)
    for text in ("Please look_twice", "a lighthouse", "thanks"):
        send(client, talk.id, text)
    runs = list(client.runs.list(agent_id=agent_id, conversation_id=talk.id, limit=2))
    assert len({run.id for run in runs}) == len(runs) == 3
    first = runs[-1]
    assert first.conversation_id == talk.id
    assert client.runs.usage.retrieve(first.id).total_tokens is not None
    steps = list(client.runs.steps.list(first.id, order="asc"))
    assert {step.id for step in steps} < {step.id for step in client.steps.list(agent_id=agent_id, limit=1)}
    spans = client.runs.trace.retrieve(first.id)
    assert [span["span_name"] for span in spans if span["span_id"] in {step.id for step in steps}] == [
        "step 0",
        "step 1",
    ]
    step = steps[0]
    judged = client.steps.feedback.create(step.id, feedback="positive", tags=["good"])
    assert (judged.feedback, judged.tags) == ("positive", ["good"])
    assert [one.id for one in client.steps.list(agent_id=agent_id, feedback="positive")] == [step.id]
    metrics = client.steps.metrics.retrieve(step.id)
    assert metrics.step_ns and metrics.llm_request_ns and metrics.tool_execution_ns
    assert metrics.step_ns >= metrics.llm_request_ns + metrics.tool_execution_ns
    trace = client.steps.trace.retrieve(step.id)
    assert trace is not None
    assert trace.request_json["model"] == "planner"
    kinds = [message.message_type for message in client.steps.messages.list(step.id)]
    assert kinds[-2:] == ["tool_call_message", "tool_return_message"]
    (found,) = client.messages.search(query="lighthouse", agent_id=agent_id, search_mode="fts")[-1:]
    assert found.message_type in ("user_message", "assistant_message")
    (message,) = (
        one
        for one in client.messages.list(conversation_id=talk.id)
        if one.message_type == "user_message" and one.content == "a lighthouse"
    )
    assert [one.id for one in client.messages.retrieve(message.id)] == [message.id]
