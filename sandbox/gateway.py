"""The way of one call to the server's own HTTP port, whatever its network setting: over sockets that it inherits.

The tool has one end of a *switch*. For each connection that it asks for there, we make a pair of sockets, send it one of
them and carry bytes between the other and the port. The tool opens no socket, names no address and can reach nothing else.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from .specs import ServerAccess

MOST_OF_A_CALL = 48
MOST_TOGETHER = 256
PIECE = 1 << 16
PAUSE = 0.001


class Gateway:
    """All calls' ways of one sandbox. Beyond so many connections the next are refused: each costs the server descriptors."""

    def __init__(self, most_of_a_call: int = MOST_OF_A_CALL, most_together: int = MOST_TOGETHER) -> None:
        self._most_of_a_call = most_of_a_call
        self._most_together = most_together
        self._open = 0

    @asynccontextmanager
    async def way(self, access: ServerAccess | None) -> AsyncIterator[socket.socket | None]:
        """The tool's end of a switch that works as long as the block; None where the call has no access."""
        if access is None:
            yield None
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with ours, theirs:
            task = asyncio.create_task(self._serve(ours, access))
            try:
                yield theirs
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _serve(self, switch: socket.socket, access: ServerAccess) -> None:
        """Answer the tool's requests until it has gone."""
        loop = asyncio.get_running_loop()
        own: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as carrying:
            while await loop.sock_recv(switch, 16):
                # A tool that asks without end must not keep the server from everything else.
                await asyncio.sleep(PAUSE)
                if len(own) >= self._most_of_a_call or self._open >= self._most_together:
                    with suppress(OSError):
                        switch.send(b"full")
                elif near := _hand_over(switch):
                    task = carrying.create_task(self._carry(near, access))
                    own.add(task)
                    task.add_done_callback(own.discard)
                    # Also where it was cancelled before it began.
                    task.add_done_callback(partial(_close, near))

    async def _carry(self, near: socket.socket, access: ServerAccess) -> None:
        self._open += 1
        try:
            await _carry(near, access)
        finally:
            self._open -= 1


def _hand_over(switch: socket.socket) -> socket.socket | None:
    """Give the tool one end of a new connection; ours is the other."""
    near, far = socket.socketpair()
    with far:
        try:
            socket.send_fds(switch, [b"open"], [far.fileno()])
        except OSError:
            # It asks and never listens, or has gone.
            near.close()
            return None
    near.setblocking(False)
    return near


def _close(connection: socket.socket, _: asyncio.Task[None]) -> None:
    connection.close()


async def _carry(near: socket.socket, access: ServerAccess) -> None:
    """Bytes both ways until one side hangs up. The server's last words still reach the tool."""
    from_tool, to_tool = await asyncio.open_unix_connection(sock=near)
    try:
        # Where the server does not answer, the tool sees a connection that is closed at once.
        with suppress(OSError):
            from_server, to_server = await asyncio.open_connection(access.host, access.port)
            try:
                await _exchange((from_tool, to_server), (from_server, to_tool))
            finally:
                to_server.transport.abort()
        to_tool.close()
        with suppress(OSError):
            await to_tool.wait_closed()
    finally:
        to_tool.transport.abort()


async def _exchange(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    pouring = [asyncio.create_task(_pour(source, target)) for source, target in ways]
    try:
        await asyncio.wait(pouring, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in pouring:
            one.cancel()
        await asyncio.gather(*pouring, return_exceptions=True)


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(PIECE):
            target.write(piece)
            await target.drain()
