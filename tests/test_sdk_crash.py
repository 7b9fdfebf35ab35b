"""kill -9 in the middle of a batch, seen through the SDK: nothing is lost and nothing that ended runs again."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.sdk_support import connect, http, make_agent, make_tool, read_events, returns_of, story
from tests.server_fixtures import TandemServer

pytestmark = pytest.mark.sdk


def test_a_run_goes_on_after_a_crash(own_server: TandemServer) -> None:
    client: Any = connect(own_server)
    quick = make_tool(client, "quick")
    slow = make_tool(client, "slow", parallel=True, seconds=60)
    retried = make_tool(client, "retried", parallel=True, seconds=2, safe_to_retry=True)
    agent_id = make_agent(client, quick, slow, retried)
    run = client.agents.messages.create_async(agent_id, input="CALL quick,slow,retried\nFINAL Done")
    _until_started(own_server, run.id, 3)
    own_server.kill()
    own_server.start()
    ended = _until_ended(client, run.id)
    assert (ended.status, ended.stop_reason) == ("completed", "end_turn")
    messages = list(client.runs.messages.list(run.id))
    assert [each.outcome for each in returns_of(messages)] == ["success", "interrupted", "success"]
    assert "may or may not" in returns_of(messages)[1].tool_return
    assert messages[-1].content == "Done"
    told = story(own_server, run.id)
    assert told.count(("started", "quick")) == 1
    assert told.count(("started", "retried")) == 2
    kinds = [message.message_type for message in messages]
    assert kinds == ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]


def _until_started(server: TandemServer, run_id: str, calls: int) -> None:
    started = 0
    with http(server) as raw, raw.stream("POST", f"/v1/runs/{run_id}/stream", json={}) as response:
        for event in read_events(response):
            started += event.name == "tool_progress" and event.data["type"] == "call.started"
            if started == calls:
                return
    raise AssertionError("the run ended early")


def _until_ended(client: Any, run_id: str) -> Any:
    for _ in range(300):
        run = client.runs.retrieve(run_id)
        if run.status in ("completed", "failed", "cancelled"):
            return run
        time.sleep(0.1)
    raise AssertionError(f"{run_id} did not end")
