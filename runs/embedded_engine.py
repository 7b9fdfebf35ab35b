"""One process, no other service: the worker looks for runs on this process's own loop."""

from __future__ import annotations

import asyncio

from django.db import transaction

from runs import doorbell
from runs.database import persistently
from runs.leases import let_others_go
from runs.models import Run
from runs.runner import Runner
from runs.takeover import cancelled_among, claim_waiting

# Doorbells do not cross processes: a run stored by another one (a shell, a script) is found this many seconds later.
_TICK = 0.5


class EmbeddedEngine:
    """The engine of a data directory that one process holds."""

    def submit(self, run: Run) -> None:
        """Wake the worker once the run can be seen."""
        transaction.on_commit(doorbell.wake_worker)

    def cancel(self, run: Run) -> None:
        """Wake the worker once the cancel can be seen."""
        transaction.on_commit(doorbell.wake_worker)

    async def serve(self, runner: Runner) -> None:
        """Look whenever the doorbell rings, a run ends, or half a second has passed."""
        news = asyncio.Event()
        runner.on_free = news.set
        doorbell.hang(asyncio.get_running_loop(), news.set)
        # Whoever had runs before held the data directory before this process: at once, not after a lease runs out.
        await persistently(let_others_go, runner.name)
        try:
            while True:
                news.clear()
                await self._look(runner)
                await _wait(news)
        finally:
            doorbell.take_down(news.set)

    async def _look(self, runner: Runner) -> None:
        if runner.room:
            for claim in await persistently(claim_waiting, runner.name, None, runner.room):
                runner.start(claim)
        if runner.run_ids:
            for run_id in await persistently(cancelled_among, runner.run_ids):
                runner.cancel(run_id)


async def _wait(news: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_TICK):
            await news.wait()
    except TimeoutError:
        return
