"""What both engines promise. These tests run on SQLite as they are, and on Postgres through tests/test_on_postgres.py."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import OperationalError
from django.utils import timezone

from engine.checker import LogRow, check
from engine.events import CallOutput, RunEnded, RunStarted
from engine.specs import RunStatus, StopReason
from runs import takeover
from runs.database import in_database, persistently
from runs.dispatch import cancel_runs
from runs.follow import read_log
from runs.journal import Entry, EventRow, Journal, LostRun, commit
from runs.leases import beat, declare_dead, register
from runs.models import HeldPermit, Run, RunEvent, ToolCall, WorkerLease
from runs.nudges import Listener, Ringer
from runs.recorder import RunRecorder
from runs.takeover import Claim, claim_abandoned, claim_waiting
from tests.workers import AskingClient, Probe, ToolboxDouble, ended, make_agent, send, working
from tools.models import Tool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.contract]


def change_tool(name: str, **changes: object) -> None:
    Tool.objects.filter(name=name).update(**changes)


async def waits(run: Run) -> list[str]:
    rows = await in_database(read_log, run.pk)
    return [row.data["reason"] for row in rows if row.type == "call.waiting"]


async def test_a_tools_cap_holds_and_the_others_say_what_they_wait_for() -> None:
    agent = await in_database(make_agent, ("search", True))
    await in_database(change_tool, "search", max_concurrency=2)
    probe = Probe()
    async with working(AskingClient(*["search"] * 6), ToolboxDouble(probe.call)):
        run = await ended((await send(agent)).pk)
    assert (probe.most["search"], len(probe.ran)) == (2, 6)
    reasons = await waits(run)
    assert reasons[0] == "waiting: cap 2 of search"
    assert all(reason.startswith("waiting: cap 2 of search") for reason in reasons)
    assert "waiting: cap 2 of search, 3 calls before it" in reasons
    assert not await in_database(HeldPermit.objects.exists)
    verdict = check(
        [LogRow(run.pk, row.seq, row.type, row.at, row.data) for row in await in_database(read_log, run.pk)]
    )
    assert verdict.is_ok, verdict.findings


async def test_tools_of_one_lock_group_never_overlap() -> None:
    agent = await in_database(make_agent, ("read", True), ("write", True))
    for name in ("read", "write"):
        await in_database(change_tool, name, lock_group="book")
    probe = Probe()
    async with working(AskingClient("read", "write", "read"), ToolboxDouble(probe.call)):
        run = await ended((await send(agent)).pk)
    assert (probe.most["read"], probe.most["write"], len(probe.ran)) == (1, 1, 3)
    assert any(reason.startswith("waiting: lock group book is held by ") for reason in await waits(run))


async def test_a_call_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    agent = await in_database(make_agent, ("search", True))
    await in_database(change_tool, "search", max_concurrency=1)
    hangs = asyncio.Event()

    async def hang(*_: object) -> None:
        hangs.set()
        await asyncio.Event().wait()

    async with working(AskingClient("search", "search"), ToolboxDouble(hang)):  # type: ignore[arg-type]
        run = await send(agent)
        await hangs.wait()
        while not await waits(run):
            await asyncio.sleep(0.01)
        await in_database(cancel_runs, agent)
        assert (await ended(run.pk)).status == "cancelled"
        while await in_database(HeldPermit.objects.exists):
            await asyncio.sleep(0.01)
    states = await in_database(lambda: sorted(ToolCall.objects.filter(run=run).values_list("state", flat=True)))
    assert states == ["cancelled", "cancelled"]


async def test_many_runs_of_many_agents_all_end_and_each_agents_in_their_order() -> None:
    agents = [await in_database(make_agent, ("search", True)) for _ in range(8)]
    probe = Probe()
    async with working(AskingClient("search", "search"), ToolboxDouble(probe.call)):
        sent = [await send(agent, str(number)) for number in range(3) for agent in agents]
        runs = [await ended(run.pk) for run in sent]
    assert {run.stop_reason for run in runs} == {"end_turn"}
    assert len(probe.ran) == len(set(probe.ran)) == 48
    for agent in agents:
        mine = [run for run in runs if run.agent_id == agent.pk]
        for earlier, later in pairwise(mine):
            assert earlier.ended_at is not None and later.started_at is not None
            assert earlier.ended_at <= later.started_at


async def test_a_run_whose_news_got_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takeover, "_OVERLOOKED_AFTER", timedelta(0))
    agent = await in_database(make_agent)
    async with working(AskingClient()):
        run = await in_database(Run.objects.create, agent=agent)  # stored by nobody who tells the engine
        assert (await ended(run.pk)).stop_reason == "end_turn"


async def running_claim(worker: str) -> Claim:
    agent = await in_database(make_agent)
    await in_database(register, worker)
    await in_database(Run.objects.create, agent=agent)
    (claim,) = await in_database(claim_waiting, worker, agent.pk)
    return claim


def row(seq: int, event: RunStarted | RunEnded | CallOutput) -> EventRow:
    return EventRow(seq, timezone.now(), event)


STARTED = RunStarted("agent", "ann", "demo/x", 1)
ENDED = RunEnded(RunStatus.COMPLETED, StopReason.END_TURN, 0)


async def test_a_worker_that_was_declared_dead_can_write_nothing_more() -> None:
    claim = await running_claim("frozen")
    assert not await in_database(commit, [Entry(claim.run_id, claim.epoch, (row(1, STARTED),))])
    assert await in_database(declare_dead, "other") == []  # its lease is young
    await in_database(WorkerLease.objects.filter(name="frozen").update, beat_at=timezone.now() - timedelta(hours=1))
    assert await in_database(declare_dead, "other") == ["frozen"]
    (taken,) = await in_database(claim_abandoned, "other", 10)
    assert (taken.run_id, taken.epoch, taken.last_seq) == (claim.run_id, claim.epoch + 1, 1)
    assert await in_database(commit, [Entry(claim.run_id, claim.epoch, (row(2, ENDED),))]) == {claim.run_id}
    assert not await in_database(beat, "frozen")
    assert await in_database(RunEvent.objects.filter(run_id=claim.run_id).count) == 1


async def test_an_entry_whose_commit_was_not_answered_is_stored_once() -> None:
    claim = await running_claim("one")
    for entry in (
        Entry(claim.run_id, claim.epoch, (row(1, STARTED),)),
        Entry(claim.run_id, claim.epoch, (row(2, ENDED),)),
    ):
        assert await in_database(commit, [entry]) == set()
        assert await in_database(commit, [entry]) == set()
    seqs = await in_database(lambda: list(RunEvent.objects.filter(run=claim.run_id).values_list("seq", flat=True)))
    assert seqs == [1, 2]
    assert await in_database(commit, [Entry(claim.run_id, claim.epoch, (row(3, ENDED),))]) == {claim.run_id}


async def test_a_run_that_is_the_workers_by_its_row_only_is_taken_again() -> None:
    agent = await in_database(make_agent)
    async with working(AskingClient()) as runner:
        run = await in_database(Run.objects.create, agent=agent, status=RunStatus.RUNNING, worker=runner.name, epoch=1)
        run = await ended(run.pk)
    assert (run.stop_reason, run.epoch) == ("end_turn", 2)


async def test_what_is_asked_of_a_database_that_is_away_is_answered_when_it_is_back() -> None:
    tries = []

    def answer(value: int) -> int:
        tries.append(value)
        if len(tries) < 3:
            raise OperationalError("server closed the connection unexpectedly")
        return value

    assert await persistently(answer, 7) == 7
    assert tries == [7, 7, 7]

    def err() -> None:
        Run.objects.get(pk="no such run")

    with pytest.raises(Run.DoesNotExist):
        await persistently(err)


async def test_thousands_of_events_of_many_runs_are_stored_whole_and_in_order() -> None:
    claims = [await running_claim("one") for _ in range(10)]
    journal = Journal()
    writer = asyncio.create_task(journal.serve())

    async def tell(claim: Claim) -> None:
        recorder = RunRecorder(journal, claim.run_id, epoch=claim.epoch, last_seq=0, last_delta_seq=0)
        for number in range(50):
            await recorder.record(*(CallOutput("call", "stdout", f"{number}.{part}") for part in range(4)))

    await asyncio.gather(*(tell(claim) for claim in claims))
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    for claim in claims:
        rows = await in_database(read_log, claim.run_id)
        assert [one.seq for one in rows] == list(range(1, 201))
        assert [one.data["text"] for one in rows] == [f"{number}.{part}" for number in range(50) for part in range(4)]


async def test_a_journal_says_which_run_was_lost_and_stores_the_others() -> None:
    mine, others = await running_claim("one"), await running_claim("two")
    journal = Journal()
    writer = asyncio.create_task(journal.serve())
    good = journal.write(Entry(mine.run_id, mine.epoch, (row(1, STARTED),)))
    lost = journal.write(Entry(others.run_id, others.epoch - 1, (row(1, STARTED),)))
    results = await asyncio.gather(good, lost, return_exceptions=True)
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    assert results[0] is None and isinstance(results[1], LostRun)


async def test_nudges_are_heard_again_and_again_over_silent_waits() -> None:
    listener, ringer = Listener("run-1"), Ringer()
    ringing = asyncio.create_task(ringer.serve())
    try:
        for _ in range(3):
            await listener.join()
            await listener.wait(0.05)  # nothing comes
            await listener.join()
            ringer.ring({"run-1"})
            async with asyncio.timeout(20):
                await listener.wait(60)
    finally:
        ringing.cancel()
        await listener.leave()
