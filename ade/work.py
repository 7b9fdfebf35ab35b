"""The worker of this process, put together."""

from __future__ import annotations

import secrets

from django.conf import settings

from ade.router import make_router
from ade.server import warm_up
from ade.tracing import tracing
from ade.watch_port import watch_port
from engine.permits import LocalPermits
from engine.ports import Permits
from runs.engines import engine
from runs.equipping import equip
from runs.leases import process_name
from runs.permits import DatabasePermits
from runs.runner import Runner
from runs.worker import Worker
from tools.toolbox import Toolbox

warm_up()


def make_permits(worker: str) -> Permits:
    """One process alone need not ask the database who else runs a tool."""
    if settings.IS_POSTGRES:
        return DatabasePermits(worker, settings.ADE_MAX_CALLS)
    return LocalPermits(settings.ADE_MAX_CALLS)


async def work() -> None:
    """Run the runs until cancelled."""
    router = make_router()
    name = process_name() + secrets.token_hex(3)
    runner = Runner(
        name,
        toolbox=Toolbox(equip),
        client_for=router.client_for,
        permits=make_permits(name),
    )
    try:
        with watch_port():
            async with tracing():
                await Worker(runner, engine()).serve()
    finally:
        await router.aclose()
