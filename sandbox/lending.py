"""The sandboxes of one event loop: the usual one, and one for each environment in use, ended when it has long been idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from .environments import Environment, Environments
from .forkserver import ForkServerSandbox, Pool
from .installing import OnLine
from .requirements import Requirements, key_of

IDLE_SECONDS = 600.0
# Importing it takes longer than everything else of a call: those that want it are forked from where it is there.
CLIENT = ("letta_client",)

Preload = tuple[str, ...]

MakeSandbox = Callable[[Environment | None, Preload], ForkServerSandbox]
"""A sandbox, not yet started, for an environment, or the usual one for None; with these modules warm."""


@dataclass(slots=True)
class _Lent:
    sandbox: ForkServerSandbox
    users: int = 0
    retiring: asyncio.TimerHandle | None = field(default=None)


class Sandboxes:
    """Which sandbox a tool runs in."""

    def __init__(self, make: MakeSandbox, environments: Environments, *, idle_seconds: float = IDLE_SECONDS) -> None:
        """A sandbox of an environment is closed after `idle_seconds` without a call; the next call starts it again."""
        self.usual = make(None, ())
        self.environments = environments
        self._make = make
        self._idle_seconds = idle_seconds
        self._lent: dict[str, _Lent] = {}
        self._ending: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def lend(
        self, requirements: Requirements, on_line: OnLine, *, with_client: bool = False
    ) -> AsyncIterator[ForkServerSandbox]:
        """The sandbox whose tools have these packages, started. `on_line` is told how they are installed, where they
        have to be. `with_client` has the API's client warm. Raises SandboxUnavailable."""
        if not requirements and not with_client:
            await self.usual.start()
            yield self.usual
            return
        environment = await self.environments.ready(requirements, on_line) if requirements else None
        # Code of an environment's packages is never run outside a tool, so nothing of them can be warm.
        preload = () if requirements else CLIENT
        key = key_of(requirements) if requirements else CLIENT[0]
        lent = self._lent.get(key)
        if lent is None:
            lent = self._lent[key] = _Lent(self._make(environment, preload))
        lent.users += 1
        if lent.retiring is not None:
            lent.retiring.cancel()
        try:
            await lent.sandbox.start()
            yield lent.sandbox
        finally:
            lent.users -= 1
            if lent.users == 0:
                later = asyncio.get_running_loop().call_later
                lent.retiring = later(self._idle_seconds, self._retire, key)

    def pools(self) -> list[Pool]:
        """How each of them stands."""
        return [self.usual.pool, *(lent.sandbox.pool for lent in self._lent.values())]

    async def close(self) -> None:
        """End everything that still runs."""
        for key in list(self._lent):
            self._retire(key)
        await asyncio.gather(self.usual.close(), *self._ending)

    def _retire(self, key: str) -> None:
        lent = self._lent.pop(key, None)
        if lent is None:
            # Closed together with all the others, while a call was under way.
            return
        if lent.retiring is not None:
            lent.retiring.cancel()
        task = asyncio.get_running_loop().create_task(lent.sandbox.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
