"""The sandbox of a server on Linux: calls run in processes forked from a fork server of their own Python."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import linux
from .conversation import Conversation
from .levels import EVERY_GUARD, Guard, Level
from .outcomes import Told, failure, result_of
from .scratch import Base
from .specs import OnOutput, SandboxCall, SandboxResult, SandboxUnavailable

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from sandbox.zygote import main; del sys.path[0]; main(sys.argv[2:])"
)
CODE = str(Path(__file__).resolve().parent.parent)
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 5.0
ATTEMPTS = 3
CROWDED = 0.01


@dataclass(slots=True)
class RunningServer:
    """A fork server that has said it is ready."""

    process: asyncio.subprocess.Process
    requests: socket.socket
    base: Base
    level: Level
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, connection: socket.socket) -> bool:
        """Hand a connection to the next free supervisor. False when nobody is there to take it."""
        async with self.sending:
            while True:
                try:
                    socket.send_fds(self.requests, [b"call"], [connection.fileno()])
                    return True
                except BlockingIOError:
                    await _writable(self.requests)
                except OSError as error:
                    if error.errno != errno.ETOOMANYREFS:
                        return False
                    await asyncio.sleep(CROWDED)

    def kill(self, number: int) -> None:
        """Have a supervisor killed."""
        if self.process.stdin is not None:
            self.process.stdin.write(b"%d\n" % number)

    async def stop(self) -> None:
        """End it and all of its calls, and remove what they left."""
        self.requests.close()
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(SECONDS_TO_STOP):
                await self.process.wait()
        except TimeoutError:
            _kill(self.process)
            await self.process.wait()
        await asyncio.to_thread(self.base.remove)


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
        guards: Collection[Guard] = EVERY_GUARD,
        required: Collection[Guard] = (),
        preload: Sequence[str] = (),
        idle: int = 4,
        scratch_root: Path | None = None,
    ) -> None:
        """`python` is the tools' interpreter and decides which packages they have; `preload` are modules worth having
        warm. `guards` are used where the kernel allows, `required` ones must be there for it to start at all. `idle`
        supervisors wait for calls. Scratch directories are made below `scratch_root` (default: the system's).
        """
        self._python = python
        self._guards = frozenset(guards) | frozenset(required)
        self._required = frozenset(required)
        self._preload = tuple(preload)
        self._idle = idle
        self._scratch_root = scratch_root
        self._server: RunningServer | None = None
        self._starting = asyncio.Lock()
        self._is_closed = False
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
        return Pool(self._running, self._idle, self._starts, is_up)

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
            told = await _hold(server, call, on_output)
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
            self._server = await self._launch()
            self._starts += 1
            return self._server

    async def _launch(self) -> RunningServer:
        if sys.platform != "linux":
            raise SandboxUnavailable("Tools can only be run on Linux. Run the server in a Linux container.")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        base = await asyncio.to_thread(Base, self._scratch_root)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(self._python, "-I", "-c", BOOT, CODE, self._settings(base.path, theirs.fileno())),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=ENVIRONMENT,
                cwd="/",
                pass_fds=[theirs.fileno()],
            )
        level = await _read_level(process)
        if level is None:
            _kill(process)
        server = RunningServer(process, ours, base, level or Level(frozenset(), {}, 0))
        missing = self._required - server.level.on
        if level is None or missing or not level.contains_signals:
            await server.stop()
            raise SandboxUnavailable(_complaint(level, missing, self._python))
        if not level.has(Guard.FILES):
            # Without Landlock a tool could look into this process through /proc.
            linux.prctl(linux.PR_SET_DUMPABLE, 0)
        return server

    def _settings(self, base: Path, requests: int) -> str:
        settings = {
            "server_pid": os.getpid(),
            "requests": requests,
            "base": str(base),
            "guards": sorted(self._guards),
            "preload": self._preload,
            "idle": self._idle,
        }
        return json.dumps(settings)


async def _hold(server: RunningServer, call: SandboxCall, on_output: OnOutput | None) -> Told | None:
    """The talk with one supervisor; None when there was none."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        with theirs:
            if not await server.send(theirs):
                ours.close()
                return None
    except BaseException:
        ours.close()
        raise
    return await Conversation(call, on_output, server.kill).hold(ours)


def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


async def _read_level(process: asyncio.subprocess.Process) -> Level | None:
    """What the fork server says when it is ready; None when it died or said nothing for too long."""
    if process.stdout is None:
        return None
    try:
        async with asyncio.timeout(SECONDS_TO_START):
            line = await process.stdout.readline()
    except TimeoutError:
        return None
    if not line:
        return None
    told = json.loads(line)
    off = {Guard(name): reason for name, reason in told["off"].items()}
    return Level(frozenset(Guard(name) for name in told["on"]), off, told["landlock_abi"])


def _complaint(level: Level | None, missing: frozenset[Guard], python: str) -> str:
    if level is None:
        return f"The fork server ({python}) did not start; the log shows why. Is this Python 3.11 or later?"
    if not level.contains_signals:
        return (
            "This machine has nothing that keeps a tool from ending other processes. Allow user namespaces, or use a "
            f"kernel with Landlock or seccomp. Found: {level.summary()}."
        )
    reasons = "; ".join(f"{guard.value}: {level.off[guard]}" for guard in sorted(missing))
    return f"The settings ask for guards that this machine does not have: {reasons}."


async def _confirm_death(server: RunningServer) -> None:
    """Give the news of a fork server's death a moment to arrive."""
    try:
        async with asyncio.timeout(SECONDS_TO_STOP / 10):
            await server.process.wait()
    except TimeoutError:
        return


async def _writable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_writer(connection.fileno(), tell)
    try:
        await ready
    finally:
        loop.remove_writer(connection.fileno())
