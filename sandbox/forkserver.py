"""The sandbox of a server on Linux: calls run in processes forked from a fork server of their own Python."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from .conversation import Conversation
from .gateway import Gateway
from .launch import SECONDS_TO_STOP, Order, RunningServer, launch
from .levels import EVERY_GUARD, Guard, Level
from .outcomes import Told, failure, result_of
from .specs import OnOutput, SandboxCall, SandboxResult, SandboxUnavailable

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Pool:
    """How a sandbox stands: calls that run, supervisors kept waiting for calls, fork servers started so far."""

    running: int
    idle_wanted: int
    starts: int
    is_up: bool


class ForkServerSandbox:
    """A `Sandbox`. One fork server, started when first needed and again when it dies."""

    def __init__(
        self,
        *,
        python: str = sys.executable,
        packages: Path | None = None,
        guards: Collection[Guard] = EVERY_GUARD,
        required: Collection[Guard] = (),
        preload: Sequence[str] = (),
        idle: int = 4,
        scratch_root: Path | None = None,
        shared_paths: Sequence[str] = (),
        readable: Sequence[str] = (),
    ) -> None:
        """`python` is the tools' interpreter and decides which packages they have; with `packages` they have those of
        that directory instead, and what is in it is never run outside a tool. `preload` are modules worth having
        warm. `guards` are used where the kernel allows, `required` ones must be there for it to start at all. `idle`
        supervisors wait for calls. Scratch directories are made below `scratch_root` (default: the system's).
        `shared_paths` are those that calls may name as `writable_paths`: inside bubblewrap nothing else is there.
        `readable` are further directories that tools read.
        """
        self._order = Order(
            python=python,
            packages=packages,
            guards=frozenset(guards) | frozenset(required),
            required=frozenset(required),
            preload=tuple(preload),
            idle=idle,
            scratch_root=scratch_root,
            shared_paths=tuple(shared_paths),
            readable=tuple(readable),
        )
        self._server: RunningServer | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False
        self._ways = Gateway()
        self._running = 0
        self._starts = 0

    @property
    def level(self) -> Level:
        """What is on. Raises SandboxUnavailable before the first start."""
        if self._server is None:
            raise SandboxUnavailable("The sandbox has not been started.")
        return self._server.level

    @property
    def pool(self) -> Pool:
        """Numbers for whoever watches."""
        is_up = self._server is not None and self._server.process.returncode is None
        return Pool(self._running, self._order.idle, self._starts, is_up)

    @property
    def fork_server_pid(self) -> int | None:
        """The running fork server's process id."""
        return None if self._server is None else self._server.process.pid

    async def start(self) -> None:
        """Get ready (idempotent). Raises SandboxUnavailable with what to do."""
        await self._ready_server()

    async def run(self, call: SandboxCall, on_output: OnOutput | None = None) -> SandboxResult:
        """Run one call. See `Sandbox.run`."""
        self._running += 1
        try:
            return await self._run(call, on_output)
        finally:
            self._running -= 1

    async def _run(self, call: SandboxCall, on_output: OnOutput | None) -> SandboxResult:
        for _ in range(ATTEMPTS):
            try:
                server = await self._ready_server()
            except SandboxUnavailable as error:
                return failure(call, f"the sandbox is not available: {error}")
            told = await _hold(server, self._ways, call, on_output)
            if told is not None and (told.started or told.ended is not None):
                return result_of(call, told)
            # Nobody has begun it, so it is safe to ask again.
            await _confirm_death(server)
        return failure(call, "the sandbox's fork server keeps dying; the server's log says more")

    async def close(self) -> None:
        """End everything that still runs. `run` refuses from now on."""
        self._is_closed = True
        async with self._starting:
            server, self._server = self._server, None
        if server is not None:
            await server.stop()

    async def _ready_server(self) -> RunningServer:
        server = self._server
        if server is not None and server.process.returncode is None:
            return server
        async with self._starting:
            if self._is_closed:
                raise SandboxUnavailable("it was closed")
            if self._server is not None and self._server.process.returncode is None:
                return self._server
            dead, self._server = self._server, None
            if dead is not None:
                await dead.stop()
            self._server = await launch(self._order)
            self._starts += 1
            return self._server


async def _hold(server: RunningServer, ways: Gateway, call: SandboxCall, on_output: OnOutput | None) -> Told | None:
    """The talk with one supervisor; None when there was none."""
    async with ways.way(call.server) as switch:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                is_sent = await server.send(theirs, switch)
        except BaseException:
            ours.close()
            raise
        if switch is not None:
            # The tool alone holds it now: when that has gone, we are told.
            switch.close()
        if not is_sent:
            ours.close()
            return None
        return await Conversation(call, on_output, server.kill).hold(ours)


async def _confirm_death(server: RunningServer) -> None:
    """Give the news of a fork server's death a moment to arrive."""
    try:
        async with asyncio.timeout(SECONDS_TO_STOP / 10):
            await server.process.wait()
    except TimeoutError:
        return
