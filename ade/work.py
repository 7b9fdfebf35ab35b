"""The worker of this process, put together."""

from __future__ import annotations

import os
import secrets
import socket

from django.conf import settings

from ade.server import warm_up
from engine.permits import LocalPermits
from llms.router import ModelRouter
from runs.engines import engine
from runs.runner import Runner, fetch_tool
from runs.worker import Worker
from tools.toolbox import Toolbox

warm_up()


def make_router() -> ModelRouter:
    """The way to the models that this server has keys for."""
    names = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")
    return ModelRouter({name: getattr(settings, name) for name in names})


async def work() -> None:
    """Run the runs until cancelled."""
    router = make_router()
    runner = Runner(
        f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(3)}",
        toolbox=Toolbox(fetch_tool),
        client_for=router.client_for,
        permits=LocalPermits(settings.ADE_MAX_CALLS),
    )
    try:
        await Worker(runner, engine()).serve()
    finally:
        await router.aclose()
