"""The connections of a process: one for each server and event loop, opened when first needed and shared by all calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mcp_servers.connection import Connection
from mcp_servers.reach import Reach


@dataclass(frozen=True, slots=True)
class Held:
    """A connection and the task that opens it."""

    connection: Connection
    opening: asyncio.Task[None]

    @property
    def is_of_use(self) -> bool:
        """Whether it can be called now, or soon."""
        return not self.opening.done() or self.connection.is_open


class Pool:
    """The connections of one event loop."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._leaving: dict[asyncio.Task[None], Connection] = {}

    async def connection(self, server_id: str, name: str, reach: Reach) -> Connection:
        """An open connection: the one there is, unless the server is reached otherwise by now. Whoever asks while it is
        being opened waits for the same attempt. Raises Unreachable."""
        held = self._held.get(server_id)
        if held is not None and (not held.is_of_use or held.connection.reach != reach):
            self.forget(server_id)
            held = None
        if held is None:
            made = Connection(name, reach)
            held = Held(made, asyncio.create_task(made.open()))
            held.opening.add_done_callback(_look_at)
            self._held[server_id] = held
        # Who leaves early does not end the attempt of the others.
        await asyncio.shield(held.opening)
        return held.connection

    def forget(self, server_id: str) -> None:
        """Give up the connection to a server, if there is one; calls under way may still end."""
        held = self._held.pop(server_id, None)
        if held is not None:
            self._let_go(held)

    async def close(self) -> None:
        """End all connections and the programs behind them."""
        gone, self._held = list(self._held.values()), {}
        connections = [held.connection for held in gone] + list(self._leaving.values())
        await asyncio.gather(*[connection.close() for connection in connections])

    def _let_go(self, held: Held) -> None:
        """Nobody waits for it but the end of the process."""
        task = asyncio.create_task(held.connection.leave())
        self._leaving[task] = held.connection
        task.add_done_callback(self._leaving.pop)


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()


def pool() -> Pool:
    """That of this event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _pools:
        _pools[loop] = Pool()
    return _pools[loop]


async def close_connections() -> None:
    """End all connections of this event loop."""
    await pool().close()


def _look_at(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
