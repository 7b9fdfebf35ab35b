"""A worker: executes runs, keeps its lease, and takes over what dead workers leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from django.conf import settings
from django.db import DatabaseError

from runs.cleaning import delete_old_deltas
from runs.database import in_database
from runs.engines import RunEngine
from runs.journal import stop
from runs.leases import beat, forget_dead, let_go
from runs.runner import Runner
from runs.takeover import cancelled_among, claim_abandoned

log = logging.getLogger(__name__)

_CLEAN_EVERY = 600.0


class Worker:
    """A runner, the engine that feeds it, and the care for leases."""

    def __init__(self, runner: Runner, engine: RunEngine) -> None:
        self._runner = runner
        self._engine = engine

    async def serve(self) -> None:
        """Work until cancelled. What runs then may finish within `ADE_GRACE_SECONDS`; the rest is for the next worker."""
        await self._runner.toolbox.start()
        async with self._ready(), asyncio.TaskGroup() as group:
            group.create_task(self._engine.serve(self._runner))
            group.create_task(_every(settings.ADE_HEARTBEAT_SECONDS, self._care))
            group.create_task(_every(_CLEAN_EVERY, self._clean))

    @asynccontextmanager
    async def _ready(self) -> AsyncIterator[None]:
        writer = asyncio.create_task(self._runner.journal.serve())
        await in_database(beat, self._runner.name)
        try:
            yield
        finally:
            await self._runner.drain(settings.ADE_GRACE_SECONDS)
            await stop(writer)
            await in_database(let_go, self._runner.name)
            await self._runner.toolbox.close()

    async def _care(self) -> None:
        """Beat, take over, and cancel what somebody wants cancelled, whichever way the news was lost."""
        await in_database(beat, self._runner.name)
        for claim in await in_database(claim_abandoned, self._runner.name):
            log.warning("%s was left by another worker and goes on here", claim.run_id)
            self._runner.start(claim)
        if self._runner.run_ids:
            for run_id in await in_database(cancelled_among, self._runner.run_ids):
                self._runner.cancel(run_id)

    async def _clean(self) -> None:
        await in_database(delete_old_deltas)
        await in_database(forget_dead)


async def _every(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again; a database that is away for a while is waited for."""
    while True:
        try:
            await job()
        except DatabaseError as error:
            log.warning("the database did not answer, trying again: %s", error)
        await asyncio.sleep(seconds)
