"""Whether this process can do its work now: what a load balancer asks before it sends anybody here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from channels.layers import get_channel_layer
from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from runs.database import in_database
from runs.leases import has_live_lease
from sandbox.specs import SandboxUnavailable
from tools.toolbox import sandbox_level

_PATIENCE = 5.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `problem` is empty where it is well, else for a person."""

    name: str
    problem: str = ""


async def readiness() -> list[Check]:
    """All checks of this process. Never raises; asks nothing for longer than five seconds."""
    wanted: list[tuple[str, Callable[[], Awaitable[str]]]] = [
        ("database", _database_problem),
        ("channel_layer", _channel_layer_problem),
    ]
    if settings.ADE_WORKER:
        wanted += [("worker", _worker_problem), ("sandbox", _sandbox_problem)]
    return list(await asyncio.gather(*(_check(name, ask) for name, ask in wanted)))


async def _check(name: str, ask: Callable[[], Awaitable[str]]) -> Check:
    try:
        async with asyncio.timeout(_PATIENCE):
            return Check(name, await _ask_twice(ask))
    except TimeoutError:
        return Check(name, f"no answer within {_PATIENCE:g} seconds")
    except Exception as error:  # noqa: BLE001 - whatever is broken is the answer; the text may hold a password's URL
        return Check(name, f"{type(error).__name__}; the server's log and settings say where it is looked for")


async def _ask_twice(ask: Callable[[], Awaitable[str]]) -> str:
    """That an idle connection has died is found out by using it: what counts is whether a new one works."""
    try:
        return await ask()
    except Exception:  # noqa: BLE001 - the second time it is told
        return await ask()


async def _database_problem() -> str:
    missing = await in_database(_unapplied_migrations)
    return f"{missing} migrations are not applied: run manage.py migrate" if missing else ""


def _unapplied_migrations() -> int:
    executor = MigrationExecutor(connection)
    return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))


async def _channel_layer_problem() -> str:
    await get_channel_layer().group_send("readiness", {"type": "readiness.asked"})
    return ""


async def _worker_problem() -> str:
    alive = await in_database(has_live_lease)
    return "" if alive else "the worker of this process has no live lease (it may be starting, or stuck)"


async def _sandbox_problem() -> str:
    try:
        sandbox_level()
    except SandboxUnavailable as error:
        return str(error)
    return ""
