"""One call's talk with its supervisor, from the server's side."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict

from .frames import HEADER, FrameKind, pack_request
from .outcomes import STREAMS, Ended, Told
from .specs import OnOutput, SandboxCall
from .watch import Ending

BUFFER = 1 << 20
SECONDS_TO_OBEY = 1.0
SECONDS_OF_GRACE = 10.0


class Conversation:
    """Sends the call, hears what becomes of it, and can have it ended."""

    def __init__(self, connection: socket.socket, kill: Callable[[int], None]) -> None:
        """`kill` has the fork server end a supervisor, by number, that does not obey."""
        self._connection = connection
        self._kill = kill
        self._told = Told()
        self._number: int | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def hold(self, call: SandboxCall, on_output: OnOutput | None) -> Told:
        """The whole talk. When it is cancelled, or `on_output` raises, the call's processes are gone first."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=self._connection, limit=BUFFER)
        try:
            self._writer.write(pack_request(json.dumps(asdict(call)).encode()))
            await self._listen(call, on_output)
        except BaseException:
            await _in_spite_of_cancellation(self._end())
            raise
        finally:
            self._writer.close()
        return self._told

    async def _listen(self, call: SandboxCall, on_output: OnOutput | None) -> None:
        while (frame := await self._next_frame(call)) is not None:
            kind, payload = frame
            self._note(kind, payload)
            if kind in STREAMS and on_output is not None:
                on_output(STREAMS[kind], self._told.output[STREAMS[kind]][-1])
            if kind is FrameKind.ENDED:
                return

    async def _next_frame(self, call: SandboxCall) -> tuple[FrameKind, bytes] | None:
        """None when the supervisor has gone. It keeps the time; should it be stuck, we do."""
        limit = call.limits.seconds + SECONDS_OF_GRACE if self._told.started else None
        try:
            async with asyncio.timeout(limit):
                return await self._read_frame()
        except TimeoutError:
            await self._end()
            return None

    async def _read_frame(self) -> tuple[FrameKind, bytes] | None:
        try:
            kind, length = HEADER.unpack(await self._reader.readexactly(HEADER.size))
            return FrameKind(kind), await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def _note(self, kind: FrameKind, payload: bytes) -> None:
        match kind:
            case FrameKind.STARTED:
                self._told.started = True
                self._number = int(payload)
            case FrameKind.STDOUT | FrameKind.STDERR:
                self._told.output[STREAMS[kind]].append(payload.decode())
            case FrameKind.RETURNED:
                self._told.returned = payload.decode()
            case FrameKind.RAISED:
                self._told.raised = payload.decode()
            case FrameKind.ENDED:
                ended = json.loads(payload)
                self._told.ended = Ended(**{**ended, "ending": Ending(ended["ending"])})

    async def _end(self) -> None:
        """Have the supervisor end everything; should it not answer, have it killed with everything below it."""
        with suppress(OSError):
            self._writer.write_eof()
        if not await self._is_over() and self._number is not None:
            self._kill(self._number)
            await self._is_over()

    async def _is_over(self) -> bool:
        try:
            async with asyncio.timeout(SECONDS_TO_OBEY):
                while (frame := await self._read_frame()) is not None:
                    if frame[0] is FrameKind.ENDED:
                        return True
                return True
        except TimeoutError:
            return False


async def _in_spite_of_cancellation(ending: Coroutine[None, None, None]) -> None:
    """Wait for it to its end, even if we are cancelled (again) meanwhile."""
    task = asyncio.ensure_future(ending)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
