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
from .report import ReportKind
from .specs import OnOutput, SandboxCall
from .watch import Ending

SECONDS_TO_OBEY = 1.0
SECONDS_OF_GRACE = 10.0


def request_of(call: SandboxCall) -> bytes:
    """The call as its supervisor reads it."""
    request = {
        "source": call.source,
        "function": call.function,
        "arguments": dict(call.arguments),
        "environment": dict(call.environment),
        "limits": asdict(call.limits),
        "network": call.network,
        "agent_state": None if call.agent_state is None else dict(call.agent_state),
        "agent_id": call.agent_id,
        "server": None if call.server is None else {**asdict(call.server), "url": call.server.url},
        "wants_client": call.wants_client,
        "writable_paths": call.writable_paths,
        "language": call.language,
        "parameters": call.parameters,
        "node_modules": call.node_modules,
    }
    return pack_request(json.dumps(request).encode())


class Conversation(asyncio.Protocol):
    """Sends the call, hears what becomes of it, and can have it ended."""

    def __init__(self, call: SandboxCall, on_output: OnOutput | None, kill: Callable[[int], None]) -> None:
        """`kill` has the fork server end a supervisor, by number, that does not obey."""
        self._call = call
        self._on_output = on_output
        self._kill = kill
        self._told = Told()
        self._number: int | None = None
        self._received = bytearray()
        loop = asyncio.get_running_loop()
        # Done when all is told, or when `on_output` failed; done when nothing of the call is left.
        self._heard: asyncio.Future[None] = loop.create_future()
        self._gone: asyncio.Future[None] = loop.create_future()
        self._patience = asyncio.timeout(None)
        self._transport: asyncio.Transport

    async def hold(self, connection: socket.socket) -> Told:
        """The whole talk. When it is cancelled, or `on_output` raises, the call's processes are gone first."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=connection)
        try:
            self._transport.write(request_of(self._call))
            await self._hear()
        except BaseException:
            await _in_spite_of_cancellation(self._end())
            raise
        finally:
            self._transport.close()
        return self._told

    async def _hear(self) -> None:
        """The supervisor keeps the time; should it be stuck, we do."""
        try:
            async with self._patience:
                await self._heard
        except TimeoutError:
            await self._end()

    async def _end(self) -> None:
        """Have the supervisor end everything; should it not answer, have it killed with everything below it."""
        with suppress(OSError):
            self._transport.write_eof()
        done, _ = await asyncio.wait({self._gone}, timeout=SECONDS_TO_OBEY)
        if not done and self._number is not None:
            self._kill(self._number)
            await asyncio.wait({self._gone}, timeout=SECONDS_TO_OBEY)

    def data_received(self, data: bytes) -> None:
        """Take in whole frames."""
        self._received += data
        position = 0
        while len(self._received) - position >= HEADER.size:
            kind, length = HEADER.unpack_from(self._received, position)
            end = position + HEADER.size + length
            if len(self._received) < end:
                break
            self._note(FrameKind(kind), self._received[position + HEADER.size : end])
            position = end
        del self._received[:position]

    def connection_lost(self, error: Exception | None) -> None:
        """The supervisor has gone, with or without having told everything."""
        _finish(self._gone)
        _finish(self._heard)

    def _note(self, kind: FrameKind, payload: bytearray) -> None:
        match kind:
            case FrameKind.STARTED:
                self._told.started = True
                self._number = int(payload)
                deadline = asyncio.get_running_loop().time() + self._call.limits.seconds + SECONDS_OF_GRACE
                if not self._heard.done():
                    self._patience.reschedule(deadline)
            case FrameKind.STDOUT | FrameKind.STDERR:
                self._note_output(kind, payload.decode())
            case FrameKind.RETURNED:
                self._told.returned = payload.decode()
            case FrameKind.RAISED:
                self._told.raised = payload.decode()
            case FrameKind.ENDED:
                ended = json.loads(payload)
                self._told.ended = Ended(
                    **{**ended, "ending": Ending(ended["ending"]), "kind": ReportKind(ended["kind"])}
                )
                _finish(self._gone)
                _finish(self._heard)

    def _note_output(self, kind: FrameKind, text: str) -> None:
        self._told.output[STREAMS[kind]].append(text)
        if self._on_output is None or self._heard.done():
            return
        try:
            self._on_output(STREAMS[kind], text)
        except Exception as error:  # noqa: BLE001 - the caller's own error goes back to the caller, through `hold`
            self._heard.set_exception(error)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _in_spite_of_cancellation(ending: Coroutine[None, None, None]) -> None:
    """Wait for it to its end, even if we are cancelled (again) meanwhile."""
    task = asyncio.ensure_future(ending)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
