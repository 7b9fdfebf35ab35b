"""Who runs which run, when: a port of three methods and its two adapters."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from django.conf import settings

from runs.models import Run
from runs.runner import Runner


class RunEngine(Protocol):
    """Brings stored runs to a worker. The rows are the truth: what an engine loses, the worker finds by itself."""

    def submit(self, run: Run) -> None:
        """A run has been stored. Call it in the transaction that stored it."""
        ...

    def cancel(self, run: Run) -> None:
        """A cancel has been stored. Call it in the transaction that stored it."""
        ...

    async def serve(self, runner: Runner) -> None:
        """Claim waiting runs and have `runner` execute them, until cancelled."""
        ...


@cache
def engine() -> RunEngine:
    """The engine for this database."""
    if settings.IS_POSTGRES:
        from runs.procrastinate_engine import ProcrastinateEngine

        return ProcrastinateEngine()
    from runs.embedded_engine import EmbeddedEngine

    return EmbeddedEngine()
