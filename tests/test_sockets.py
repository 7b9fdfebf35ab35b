"""The run socket: who may, replay from a cursor, live, deltas, the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser

from access.models import Person
from agents.models import Agent
from runs.database import in_database
from runs.models import Run, RunDelta
from runs.sockets import socket_urls
from tests.run_logs import RunLog, decided_log, held_log, three_call_log
from tests.stored_runs import append, store

pytestmark = pytest.mark.django_db(transaction=True)


class Browser:
    """One connection to the socket of a run."""

    def __init__(self, path: str, user: object) -> None:
        self.socket = WebsocketCommunicator(URLRouter(socket_urls), path)
        self.socket.scope["user"] = user

    async def frames_until(self, frame_type: str) -> list[dict[str, Any]]:
        """All frames up to the first of this type, greetings and heartbeats left out."""
        found: list[dict[str, Any]] = []
        while not found or found[-1]["type"] != frame_type:
            frame = json.loads(await self.socket.receive_from(timeout=15))
            if frame["type"] not in {"hello", "heartbeat"}:
                found.append(frame)
        return found


async def connect(run_id: str, query: str = "", user: object | None = None) -> Browser:
    browser = Browser(f"/ws/runs/{run_id}/?{query}", user or Person(username="admin"))
    connected, _ = await browser.socket.connect(timeout=15)
    assert connected
    return browser


def stored(log: RunLog, upto: int | None = None) -> Run:
    agent, _ = Agent.objects.get_or_create(name="Librarian", model="demo/planner")
    return store(log, agent, upto=upto)


async def closing_code(browser: Browser) -> int:
    message = await browser.socket.receive_output(timeout=15)
    assert message["type"] == "websocket.close", message
    code: int = message.get("code", 1000)
    return code


async def test_nobody_looks_without_signing_in() -> None:
    run = await in_database(stored, three_call_log())
    browser = await connect(run.pk, user=AnonymousUser())
    assert await closing_code(browser) == 4401


async def test_a_run_that_does_not_exist_is_said_to() -> None:
    assert await closing_code(await connect("run-unknown")) == 4404


async def test_the_whole_log_is_replayed_and_then_the_socket_closes() -> None:
    run = await in_database(stored, three_call_log())
    browser = await connect(run.pk)
    frames = await browser.frames_until("over")
    assert [frame["seq"] for frame in frames[:-1]] == list(range(1, run.last_seq + 1))
    assert await closing_code(browser) == 1000


async def test_a_cursor_replays_only_what_was_missed() -> None:
    run = await in_database(stored, three_call_log())
    browser = await connect(run.pk, "after=12")
    frames = await browser.frames_until("over")
    assert [frame["seq"] for frame in frames[:-1]] == list(range(13, run.last_seq + 1))
    assert "search_web" in "".join(frame["html"] for frame in frames[:-1]), "names come from before the cursor"


async def test_the_greeting_says_how_far_the_log_was_when_the_browser_came() -> None:
    run = await in_database(stored, three_call_log(), 9)
    browser = await connect(run.pk, "after=4")
    greeting = json.loads(await browser.socket.receive_from(timeout=15))
    assert greeting == {"type": "hello", "seq": 4, "last_seq": 9}
    await browser.socket.disconnect()


@pytest.mark.parametrize("query", ["after=nonsense", "after=-3", "after=%C2%B2", "after=99999999999999999999"])
async def test_a_bad_cursor_reads_from_the_start(query: str) -> None:
    run = await in_database(stored, three_call_log())
    frames = await (await connect(run.pk, query)).frames_until("over")
    assert frames[0]["seq"] == 1


async def test_what_is_written_later_arrives_without_asking() -> None:
    log = three_call_log()
    run = await in_database(stored, log, 6)
    browser = await connect(run.pk)
    assert (await browser.frames_until(log.rows[5].type))[-1]["seq"] <= 6
    await in_database(append, run, log, 6)
    frames = await browser.frames_until("over")
    assert frames[-2]["type"] == "run.ended"


async def test_two_browsers_get_the_same_frames_wherever_they_began() -> None:
    log = three_call_log()
    run = await in_database(stored, log, 9)
    first, second = await connect(run.pk), await connect(run.pk, "after=4")
    await in_database(append, run, log, 9)
    one, other = await first.frames_until("over"), await second.frames_until("over")
    assert [frame["seq"] for frame in one[4:]] == [frame["seq"] for frame in other]
    assert one[-2]["data"] == other[-2]["data"]


async def test_deltas_come_with_their_place_in_the_log() -> None:
    log = RunLog().starts().asks_model()

    def with_deltas() -> Run:
        run = stored(log)
        for number, text in enumerate(["Tides ", "rise"], start=1):
            RunDelta.objects.create(
                run=run, delta_seq=number, after_seq=2, step_id="step-1", kind="text", text=text, call=None
            )
        return run

    run = await in_database(with_deltas)
    browser = await connect(run.pk, "page=chat")
    frames = await browser.frames_until("delta")
    assert [frame["type"] for frame in frames] == ["run.started", "model.requested", "delta"]
    assert frames[-1]["data"]["text"] == "Tides " and frames[-1]["data"]["after_seq"] == 2
    assert 'data-stream="step-1" data-since="2"' in frames[1]["html"]
    await browser.socket.disconnect()
    again = await connect(run.pk, "after=2&after_delta=1&page=chat")
    assert (await again.frames_until("delta"))[-1]["data"]["text"] == "rise"
    await again.socket.disconnect()


async def test_a_run_that_carries_decisions_out_knows_the_calls_of_the_run_before() -> None:
    def chain() -> Run:
        first = stored(held_log())
        return store(decided_log(), first.agent, resumes=first)

    run = await in_database(chain)
    frames = await (await connect(run.pk, "page=chat")).frames_until("over")
    assert "I have started" in "".join(frame["html"] for frame in frames[:-1])
