"""A worker: executes runs, keeps its lease, and takes over what dead workers leave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from django.conf import settings
from django.db import Error

from runs.callbacks import call_back
from runs.cleaning import delete_old_deltas
from runs.database import in_database, persistently
from runs.engines import RunEngine
from runs.journal import stop
from runs.leases import beat, declare_dead, let_go, register
from runs.retention import prune_as_configured
from runs.runner import Runner
from runs.takeover import cancelled_among, claim_abandoned, claim_again, strays

log = logging.getLogger(__name__)

_CLEAN_EVERY = 600.0
_CANCEL_SECONDS = 0.5
_CALLBACK_SECONDS = 0.5
_HAND_OVER_SECONDS = 5.0


class Worker:
    """A runner, the engine that feeds it, and the care for leases."""

    def __init__(self, runner: Runner, engine: RunEngine) -> None:
        self._runner = runner
        self._engine = engine
        self._beat_at = float("inf")
        self._steady_from = 0.0
        self._strays: set[str] = set()

    async def serve(self) -> None:
        """Work until cancelled. What runs then may finish within `ADE_GRACE_SECONDS`; the rest is for the next worker."""
        await self._runner.toolbox.start()
        async with self._ready() as writer, asyncio.TaskGroup() as group:
            group.create_task(_watch(writer))
            group.create_task(self._engine.serve(self._runner))
            group.create_task(_every(settings.ADE_HEARTBEAT_SECONDS / 2, self._care))
            group.create_task(_every(_CANCEL_SECONDS, self._look_for_cancels))
            group.create_task(_every(_CLEAN_EVERY, self._clean))
            group.create_task(_every(_CALLBACK_SECONDS, call_back))

    @asynccontextmanager
    async def _ready(self) -> AsyncIterator[asyncio.Task[None]]:
        writer = asyncio.create_task(self._runner.journal.serve())
        await persistently(register, self._runner.name)
        try:
            yield writer
        finally:
            # What may still finish keeps its lease, and can be cancelled.
            beating = asyncio.create_task(_every(settings.ADE_HEARTBEAT_SECONDS, self._beat))
            looking = asyncio.create_task(_every(_CANCEL_SECONDS, self._look_for_cancels))
            await self._runner.drain(settings.ADE_GRACE_SECONDS)
            await asyncio.gather(stop(beating), stop(looking))
            await self._hand_over(writer)
            await self._runner.toolbox.close()

    async def _hand_over(self, writer: asyncio.Task[None]) -> None:
        """Write what is still to be written and let go, so that others need not wait until the lease runs out."""
        try:
            async with asyncio.timeout(_HAND_OVER_SECONDS):
                await stop(writer)
                await persistently(let_go, self._runner.name)
        except TimeoutError:
            log.warning("the database is away: the lease of %s is left to run out", self._runner.name)

    async def _care(self) -> None:
        """Beat, and take over what others have left."""
        if not await self._beat():
            return
        if self._is_steady():
            for name in await in_database(declare_dead, self._runner.name):
                log.warning("%s has not been heard of for %g s", name, settings.ADE_LEASE_SECONDS)
        for claim in await in_database(claim_abandoned, self._runner.name, self._runner.room):
            log.warning("%s was left by another worker and goes on here", claim.run_id)
            self._runner.start(claim)
        await self._care_for_strays()

    async def _beat(self) -> bool:
        """Keep the lease. False where others have taken everything while this worker was frozen."""
        is_alive = await in_database(beat, self._runner.name)
        now = asyncio.get_running_loop().time()
        if now - self._beat_at > settings.ADE_LEASE_SECONDS / 2:
            # The database was away, or this process was. The leases of others say nothing until they had time to beat.
            self._steady_from = now + settings.ADE_LEASE_SECONDS
        self._beat_at = now
        if not is_alive:
            log.warning("%s was taken for dead; its runs go on elsewhere", self._runner.name)
            self._runner.abandon_all()
            await in_database(register, self._runner.name)
        return is_alive

    def _is_steady(self) -> bool:
        return asyncio.get_running_loop().time() >= self._steady_from

    async def _care_for_strays(self) -> None:
        """Take again what is this worker's by its row and has not been under way here for two looks."""
        found = set(await in_database(strays, self._runner.name, self._runner.run_ids))
        for claim in await in_database(claim_again, self._runner.name, sorted(found & self._strays)):
            log.warning("%s is taken again", claim.run_id)
            self._runner.start(claim)
        self._strays = found

    async def _look_for_cancels(self) -> None:
        """Cancel what somebody wants cancelled, whichever way the news was lost."""
        if self._runner.run_ids:
            for run_id in await in_database(cancelled_among, self._runner.run_ids):
                self._runner.cancel(run_id)

    async def _clean(self) -> None:
        await in_database(delete_old_deltas)
        await in_database(prune_as_configured)


async def _watch(writer: asyncio.Task[None]) -> None:
    """A worker without its journal must end, and say why: every run would wait for ever."""
    await asyncio.wait([writer])
    writer.result()


async def _end_with(writer: asyncio.Task[None]) -> None:
    """A worker whose log is no longer written must not go on as if it were."""
    await asyncio.wait([writer])
    raise RuntimeError("The writer of the log has ended.") from (None if writer.cancelled() else writer.exception())


async def _every(seconds: float, job: Callable[[], Awaitable[object]]) -> None:
    """Do it again and again; a database that is away for a while is waited for."""
    while True:
        try:
            await job()
        except Error as error:
            log.warning("the database did not answer, trying again: %s", error)
        await asyncio.sleep(seconds)
