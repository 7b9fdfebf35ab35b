"""Two workers on one Postgres database, in one process so that their tools can be watched together. Collected by
tests/test_on_postgres.py only: SQLite has one worker."""

from __future__ import annotations

import asyncio
import fcntl
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, RunStatus, ToolResult
from runs.database import in_database
from runs.dispatch import cancel_runs
from runs.models import HeldPermit, Run, WorkerLease
from runs.runner import Runner
from runs.takeover import claim_abandoned
from tests.workers import AskingClient, Probe, ToolboxDouble, ended, make_agent, send, working
from tools.models import Tool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.contract]


async def two(stack: AsyncExitStack, client: AskingClient, toolbox: ToolboxDouble) -> list[Runner]:
    return [await stack.enter_async_context(working(client, toolbox)) for _ in range(2)]


async def workers_of(runs: list[Run]) -> Counter[str]:
    return Counter([(await in_database(Run.objects.get, pk=run.pk)).worker for run in runs])


async def test_two_workers_share_two_hundred_runs() -> None:
    agents = [await in_database(make_agent) for _ in range(200)]
    async with AsyncExitStack() as stack:
        await two(stack, AskingClient(), ToolboxDouble(Probe().call))
        runs = [await send(agent) for agent in agents]
        while await in_database(Run.objects.filter(ended_at=None).exists):
            await asyncio.sleep(0.1)
    assert await in_database(Run.objects.filter(stop_reason="end_turn").count) == 200
    shares = await workers_of(runs)
    assert len(shares) == 2 and min(shares.values()) >= 50, shares


class LockedFile:
    """Tools that take a lock on a file for as long as they run; two that overlap fail."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        """Run one call."""
        with self._path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            await asyncio.sleep(0.01)
        return ToolResult(planned.call.id, Outcome.SUCCESS, "done")


async def test_a_lock_group_never_overlaps_across_workers(tmp_path: Path) -> None:
    agents = [await in_database(make_agent, ("read", True), ("write", True)) for _ in range(12)]
    await in_database(Tool.objects.update, lock_group="book")
    async with AsyncExitStack() as stack:
        await two(stack, AskingClient("read", "write"), ToolboxDouble(LockedFile(tmp_path / "book").call))
        runs = [await ended(run.pk) for run in [await send(agent) for agent in agents]]
    assert {run.stop_reason for run in runs} == {"end_turn"}
    states = await in_database(lambda: {call.state for run in runs for call in run.calls.all()})
    assert states == {"success"}
    assert len(await workers_of(runs)) == 2


async def test_a_tools_cap_holds_across_workers() -> None:
    agents = [await in_database(make_agent, ("search", True)) for _ in range(10)]
    await in_database(Tool.objects.update, max_concurrency=2)
    probe = Probe()
    async with AsyncExitStack() as stack:
        await two(stack, AskingClient("search", "search", "search"), ToolboxDouble(probe.call))
        runs = [await ended(run.pk) for run in [await send(agent) for agent in agents]]
    assert {run.stop_reason for run in runs} == {"end_turn"}
    assert (probe.most["search"], len(probe.ran)) == (2, 30)
    assert len(await workers_of(runs)) == 2
    assert not await in_database(HeldPermit.objects.exists)


class Hanging:
    """Tools that never end by themselves."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.ended = 0

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        """Run one call."""
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1
        raise AssertionError


async def test_a_dead_workers_runs_and_permits_go_to_the_other_and_it_learns_of_it() -> None:
    agent = await in_database(make_agent, "write")
    await in_database(Tool.objects.update, lock_group="book", safe_to_retry=True)
    hanging, probe = Hanging(), Probe()
    async with AsyncExitStack() as stack:
        frozen = await stack.enter_async_context(working(AskingClient("write"), ToolboxDouble(hanging.call)))
        run = await send(agent)
        await hanging.started.wait()
        await stack.enter_async_context(working(AskingClient("write"), ToolboxDouble(probe.call)))
        # As if it had not beaten for a while.
        silent = timezone.now() - timedelta(hours=1)
        await in_database(WorkerLease.objects.filter(name=frozen.name).update, beat_at=silent)
        run = await ended(run.pk)
        while frozen.run_ids:
            await asyncio.sleep(0.05)
    assert run.stop_reason == "end_turn" and run.worker != frozen.name
    assert (len(probe.ran), hanging.ended) == (1, 1)


async def test_a_run_is_cancelled_whichever_worker_has_it() -> None:
    agents = [await in_database(make_agent, "write") for _ in range(6)]
    hanging = Hanging()
    async with AsyncExitStack() as stack:
        runners = await two(stack, AskingClient("write"), ToolboxDouble(hanging.call))
        runs = [await send(agent) for agent in agents]
        while sum(len(runner.run_ids) for runner in runners) < len(runs):
            await asyncio.sleep(0.02)
        for agent in agents:
            await in_database(cancel_runs, agent)
        states = {(await ended(run.pk)).status for run in runs}
    assert states == {"cancelled"}


async def test_a_transaction_in_which_a_worker_was_frozen_holds_up_nobody() -> None:
    agent = await in_database(make_agent)
    run = await in_database(Run.objects.create, agent=agent, status=RunStatus.RUNNING, worker="frozen", epoch=1)
    parameters = {**connection.get_connection_params(), "autocommit": False}
    with psycopg.connect(**parameters) as frozen:
        frozen.execute("SELECT id FROM runs_run WHERE id = %s FOR UPDATE", [run.pk])
        assert await in_database(claim_abandoned, "other", 10) == []
        frozen.rollback()
        (claim,) = await in_database(claim_abandoned, "other", 10)
        assert (claim.run_id, claim.epoch) == (run.pk, 2)
        (limit,) = frozen.execute("SHOW idle_in_transaction_session_timeout").fetchone() or ("",)
    assert limit == f"{settings.ADE_LEASE_SECONDS:g}s"
