"""Many processes on Postgres: Procrastinate tells the workers which agent has a run waiting.

Its jobs carry no truth. A job says "look at this agent"; the claim is made in our own rows, so a job that comes twice,
late or not at all costs time only, and the sweep of runs.worker takes what a dead worker leaves. That is why none of
its retries are used, and why its missing fencing does not matter.
"""

from __future__ import annotations

import asyncio
import logging

import procrastinate
import psycopg
from django.conf import settings
from django.db import Error, connection
from procrastinate.connector import BaseAsyncConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.exceptions import ConnectorException

from runs.database import persistently
from runs.models import Run
from runs.runner import Runner
from runs.takeover import cancelled_among, claim_waiting, note_job, overlooked_agents, waiting_agents

log = logging.getLogger(__name__)

QUEUE = "runs"
LOOK = "runs.look"
# NOTIFY comes on insert and on abort; the polls are for what NOTIFY missed.
_POLL_SECONDS = 1.0
_AGAIN_AFTER = 0.5
_OVERLOOKED_SECONDS = 2.0
# What a database that goes away makes of the queue's own connections.
_AWAY = (ConnectorException, psycopg.Error, Error, OSError)


class ProcrastinateEngine:
    """The engine of a Postgres database."""

    def submit(self, run: Run) -> None:
        """Defer a look at the run's agent, in the same transaction."""
        _defer(run.agent_id)

    def cancel(self, run: Run) -> None:
        """Abort the job that runs it, wherever that is; the worker then sees the cancel in the run's row."""
        if run.job_id is not None:
            app.job_manager.cancel_job_by_id(run.job_id, abort=True)

    async def serve(self, runner: Runner) -> None:
        """Work the queue until cancelled. A database that goes away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._work_on(runner))
            group.create_task(self._look_after_overlooked(runner))

    async def _work_on(self, runner: Runner) -> None:
        while True:
            try:
                await self._work(runner)
            except* _AWAY as group:
                log.warning("the queue is out of reach, trying again: %s", group.exceptions[0])
            await asyncio.sleep(_AGAIN_AFTER)

    async def _look_after_overlooked(self, runner: Runner) -> None:
        """A job may have died with its worker, or with the database, before its run was claimed."""
        while True:
            await asyncio.sleep(_OVERLOOKED_SECONDS)
            for agent_id in await persistently(overlooked_agents, runner.room):
                for claim in await persistently(claim_waiting, runner.name, agent_id):
                    runner.start(claim)

    async def _work(self, runner: Runner) -> None:
        # An app of its own: the shared one is Django's, and defers within Django's transactions.
        queue = procrastinate.App(connector=_worker_connector())
        _register(queue, runner)
        async with queue.open_async():
            await persistently(_clear_up)
            await queue.run_worker_async(
                queues=[QUEUE],
                name=runner.name,
                concurrency=settings.ADE_MAX_RUNS,
                fetch_job_polling_interval=_POLL_SECONDS,
                abort_job_polling_interval=_POLL_SECONDS,
                shutdown_graceful_timeout=0,
                delete_jobs="always",
                install_signal_handlers=False,
                update_heartbeat_interval=settings.ADE_HEARTBEAT_SECONDS,
                stalled_worker_timeout=settings.ADE_LEASE_SECONDS,
            )


def _worker_connector() -> BaseAsyncConnector:
    connector = app.connector
    assert isinstance(connector, DjangoConnector)  # the app of procrastinate.contrib.django has no other
    return connector.get_worker_connector()


def _register(queue: procrastinate.App, runner: Runner) -> None:
    async def look(context: procrastinate.JobContext, agent_id: str) -> None:
        for claim in await persistently(claim_waiting, runner.name, agent_id):
            await persistently(note_job, claim.run_id, context.job.id)
            task = runner.start(claim)
            await _follow(task, runner, claim.run_id)
            await persistently(_defer_if_waiting, agent_id)

    queue.task(name=LOOK, queue=QUEUE, pass_context=True)(look)


async def _follow(task: asyncio.Task[None], runner: Runner, run_id: str) -> None:
    """Wait for the run. An abort of the job is a cancel of the run where its row says so; else the worker stops."""
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.done() or not await persistently(cancelled_among, [run_id]):
                raise
            runner.cancel(run_id)


def _defer(agent_id: str) -> None:
    app.configure_task(LOOK, queue=QUEUE).defer(agent_id=agent_id)


def _defer_if_waiting(agent_id: str) -> None:
    """The agent is free: its next run may be waiting. By a new job, so that NOTIFY is sent and agents take turns."""
    if waiting_agents(agent_id):
        _defer(agent_id)


def _clear_up() -> None:
    """Jobs that a dead worker was carrying out: their runs are taken over by their leases."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM procrastinate_jobs WHERE queue_name = %s AND status = 'doing' AND worker_id IS NULL", [QUEUE]
        )
