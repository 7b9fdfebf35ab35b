"""Runs the runs: one task per run on the loop of this process. The only place that catches `CancelledError`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from agents.assembly import agent_spec, remember_refusal
from engine.loop import ClientFor, World, run_agent
from engine.ports import Permits
from engine.specs import AgentSpec
from runs import doorbell
from runs.cleaning import delete_old_deltas
from runs.database import in_database
from runs.journal import Journal, LostRun, stop
from runs.recorder import RunRecorder
from runs.settling import CANCELLED, Ending, ending_events, failed
from runs.takeover import Claim, cancelled_among, claim_abandoned, claim_waiting, load_start, load_turn
from tools.models import Tool
from tools.toolbox import Toolbox

log = logging.getLogger(__name__)

# Doorbells do not cross processes: a run stored by another one is found this many seconds later at most.
_TICK = 0.5
_CLEAN_EVERY = 600.0


class Worker:
    """Takes waiting runs and executes them until it is stopped."""

    def __init__(self, name: str, *, toolbox: Toolbox, client_for: ClientFor, permits: Permits) -> None:
        self._name = name
        self._toolbox = toolbox
        self._client_for = client_for
        self._permits = permits
        self._journal = Journal()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancelling: set[str] = set()
        self._news = asyncio.Event()

    async def serve(self) -> None:
        """Work until cancelled. Runs that are under way then stay as they are, for the next worker to go on with."""
        await self._toolbox.start()
        async with self._ready():
            for claim in await in_database(claim_abandoned, self._name):
                self._start(claim)
            next_cleaning = 0.0
            while True:
                self._news.clear()
                await self._look()
                if asyncio.get_running_loop().time() > next_cleaning:
                    await in_database(delete_old_deltas)
                    next_cleaning = asyncio.get_running_loop().time() + _CLEAN_EVERY
                await self._wait_for_news()

    @asynccontextmanager
    async def _ready(self) -> AsyncIterator[None]:
        writer = asyncio.create_task(self._journal.serve())
        doorbell.hang(asyncio.get_running_loop(), self._news.set)
        try:
            yield
        finally:
            doorbell.take_down(self._news.set)
            await self._stop_runs()
            await stop(writer)
            await self._toolbox.close()

    async def _look(self) -> None:
        for claim in await in_database(claim_waiting, self._name):
            self._start(claim)
        if self._tasks:
            for run_id in await in_database(cancelled_among, list(self._tasks)):
                self._cancel(run_id)

    async def _wait_for_news(self) -> None:
        try:
            async with asyncio.timeout(_TICK):
                await self._news.wait()
        except TimeoutError:
            return

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._run(claim), name=claim.run_id)
        self._tasks[claim.run_id] = task
        task.add_done_callback(lambda _: self._forget(claim.run_id))

    def _forget(self, run_id: str) -> None:
        self._tasks.pop(run_id, None)
        self._cancelling.discard(run_id)
        # The agent is free: its next run may be waiting.
        self._news.set()

    def _cancel(self, run_id: str) -> None:
        if run_id not in self._cancelling:
            self._cancelling.add(run_id)
            self._tasks[run_id].cancel()

    async def _stop_runs(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, claim: Claim) -> None:
        recorder = RunRecorder(
            self._journal,
            claim.run_id,
            epoch=claim.epoch,
            last_seq=claim.last_seq,
            last_delta_seq=claim.last_delta_seq,
        )
        try:
            await self._execute(claim, recorder)
        except asyncio.CancelledError:
            if claim.run_id not in self._cancelling:
                raise  # the worker stops; the run goes on with the next one
            await self._end(claim, recorder, CANCELLED)
        except BaseExceptionGroup as group:
            await self._settle_failure(claim, recorder, group)
        except LostRun:
            log.warning("%s was taken by another worker", claim.run_id)
        except Exception as error:  # noqa: BLE001 - whatever broke, the run must end and say so
            await self._settle_failure(claim, recorder, error)
        finally:
            recorder.close()

    async def _execute(self, claim: Claim, recorder: RunRecorder) -> None:
        start = await in_database(load_start, claim)
        await recorder.record(*start.events)
        if start.is_cancelled:
            await self._end(claim, recorder, CANCELLED)
            return
        turn = await in_database(load_turn, claim.run_id)
        await run_agent(turn, self._world(claim, recorder, start.max_steps))

    def _world(self, claim: Claim, recorder: RunRecorder, max_steps: int) -> World:
        async def load_agent() -> AgentSpec:
            return await in_database(agent_spec, claim.agent_id)

        async def on_refusal(handle: str) -> None:
            await in_database(remember_refusal, handle)

        return World(
            load_agent=load_agent,
            client_for=self._client_for,
            call_tool=self._toolbox.call,
            recorder=recorder,
            permits=self._permits,
            max_steps=max_steps,
            on_refusal=on_refusal,
        )

    async def _settle_failure(self, claim: Claim, recorder: RunRecorder, error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(LostRun) is not None:
            log.warning("%s was taken by another worker", claim.run_id)
            return
        log.error("%s failed", claim.run_id, exc_info=error)
        first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error
        text = f"Tandem could not go on with this run ({type(first).__name__}: {first}). The server's log has details."
        await self._end(claim, recorder, failed(text))

    async def _end(self, claim: Claim, recorder: RunRecorder, ending: Ending) -> None:
        try:
            await recorder.record()  # what is still on its way is stored before the rows are read
            await recorder.record(*await in_database(ending_events, claim.run_id, ending))
        except LostRun:
            log.info("%s had ended already", claim.run_id)


async def fetch_tool(tool_id: str) -> Tool:
    """A tool's row, for the toolbox."""
    return await in_database(Tool.objects.get, pk=tool_id)
