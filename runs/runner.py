"""Executes claimed runs: one task each. The only place that catches `CancelledError`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from agents.assembly import remember_refusal
from engine.asking import Exchange
from engine.log_context import at_work_for
from engine.loop import ClientFor, World, run_agent, run_compaction
from engine.ports import Permits
from engine.specs import AgentSpec
from runs.database import persistently
from runs.exchanges import keep_exchange
from runs.journal import Journal, LostRun
from runs.observing import tell_left, tell_taken
from runs.overriding import spec_of_run
from runs.recorder import RunRecorder
from runs.settling import CANCELLED, Ending, ending_events, failed
from runs.takeover import Claim, is_cancel_requested, load_start, load_turn
from tools.toolbox import Caller, Toolbox

log = logging.getLogger(__name__)

_STOP_SECONDS = 5.0


@dataclass
class Runner:
    """Runs under way in this process, by id. `on_free` is told when one has ended."""

    name: str
    toolbox: Toolbox
    client_for: ClientFor
    permits: Permits
    journal: Journal = field(default_factory=Journal)
    on_free: Callable[[], None] = lambda: None
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    @property
    def run_ids(self) -> list[str]:
        """The runs under way here."""
        return list(self._tasks)

    def start(self, claim: Claim) -> asyncio.Task[None]:
        """Execute a claimed run in a task of its own. An earlier claim of the same run has lost it by this one."""
        self.cancel(claim.run_id)
        with at_work_for(run_id=claim.run_id):
            task = asyncio.create_task(self._run(claim), name=claim.run_id)
        self._tasks[claim.run_id] = task
        task.add_done_callback(lambda done: self._forget(claim.run_id, done))
        return task

    @property
    def room(self) -> int:
        """How many more runs this process takes."""
        return max(settings.ADE_MAX_RUNS - len(self._tasks), 0)

    def abandon_all(self) -> None:
        """Every run under way here is another worker's by now: end what still runs of it."""
        for run_id in self.run_ids:
            self.cancel(run_id)

    def cancel(self, run_id: str) -> None:
        """Cancel a run if it is under way here; that somebody wants it stands in its row."""
        task = self._tasks.get(run_id)
        if task is not None and not task.cancelling():
            task.cancel()

    async def drain(self, grace_seconds: float) -> None:
        """Let what runs finish within the grace period, then stop the rest where it is, for another worker."""
        if self._tasks and grace_seconds > 0:
            await asyncio.wait(list(self._tasks.values()), timeout=grace_seconds)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_SECONDS)
        for task in tasks:
            task.cancel()  # one that waits for a database that is away
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, run_id: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(run_id) is task:
            del self._tasks[run_id]
        self.on_free()

    async def _run(self, claim: Claim) -> None:
        recorder = RunRecorder(
            self.journal,
            claim.run_id,
            epoch=claim.epoch,
            last_seq=claim.last_seq,
            last_delta_seq=claim.last_delta_seq,
        )
        tell_taken(claim.run_id, claim.created_at)
        try:
            await self._execute(claim, recorder)
        except asyncio.CancelledError:
            if not await persistently(is_cancel_requested, claim.run_id):
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
            tell_left(claim.run_id)

    async def _execute(self, claim: Claim, recorder: RunRecorder) -> None:
        start = await persistently(load_start, claim)
        await recorder.record(*start.events)
        if start.is_cancelled:
            await self._end(claim, recorder, CANCELLED)
            return
        turn = await persistently(load_turn, claim.run_id)
        execute = run_compaction if start.only_compacts else run_agent
        await execute(turn, self._world(claim, recorder, start.max_steps))

    def _world(self, claim: Claim, recorder: RunRecorder, max_steps: int) -> World:
        async def load_agent() -> AgentSpec:
            return await persistently(spec_of_run, claim.run_id)

        async def on_refusal(handle: str) -> None:
            await persistently(remember_refusal, handle)

        async def on_exchange(exchange: Exchange) -> None:
            await persistently(keep_exchange, claim.agent_id, exchange)

        return World(
            load_agent=load_agent,
            client_for=self.client_for,
            call_tool=self.toolbox.of(Caller(claim.agent_id, claim.run_id)),
            recorder=recorder,
            permits=self.permits,
            max_steps=max_steps,
            on_refusal=on_refusal,
            on_exchange=on_exchange,
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
            await recorder.record(*await persistently(ending_events, claim.run_id, ending))
        except LostRun:
            log.info("%s had ended already", claim.run_id)
