"""Starts a fork server, by exec of a bare Python, and holds on to it until it is stopped."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from . import bubblewrap, linux
from .levels import Guard, Level
from .nodejs import find_node, node_flags, node_places
from .scratch import Base
from .specs import SandboxUnavailable

BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from sandbox.zygote import main; del sys.path[0]; main(sys.argv[2:])"
)
CODE = Path(__file__).resolve().parent.parent
# Each arena of the C library's allocator reserves address space, of which a tool with many threads has too little.
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
SECONDS_TO_START = 30.0
SECONDS_TO_STOP = 5.0
CROWDED = 0.01


@dataclass(frozen=True, slots=True)
class Order:
    """What a fork server is to be like; see `ForkServerSandbox`."""

    python: str
    packages: Path | None
    guards: frozenset[Guard]
    required: frozenset[Guard]
    preload: tuple[str, ...]
    idle: int
    scratch_root: Path | None
    shared_paths: tuple[str, ...]
    readable: tuple[str, ...]


@dataclass(slots=True)
class RunningServer:
    """A fork server that has said it is ready."""

    process: asyncio.subprocess.Process
    requests: socket.socket
    base: Base
    level: Level
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def send(self, connection: socket.socket, switch: socket.socket | None = None) -> bool:
        """Hand a connection, and the call's way to the server, to the next free supervisor. False when nobody is there
        to take it."""
        fds = [connection.fileno()] if switch is None else [connection.fileno(), switch.fileno()]
        async with self.sending:
            while True:
                try:
                    socket.send_fds(self.requests, [b"call"], fds)
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


async def launch(order: Order) -> RunningServer:
    """A fork server that is ready. Raises SandboxUnavailable with what to do."""
    if sys.platform != "linux":
        raise SandboxUnavailable("Tools can only be run on Linux. Run the server in a Linux container.")
    is_wrapped = Guard.BUBBLEWRAP in order.guards
    wrapper = bubblewrap.program() if is_wrapped else ""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    base = await asyncio.to_thread(Base, order.scratch_root)
    with theirs:
        await asyncio.to_thread(node_flags, find_node())
        settings = _settings(order, base.path, theirs.fileno())
        command = [order.python, *_flags(order), "-c", BOOT, str(CODE), settings]
        if is_wrapped:
            places = [
                *await _python_paths(order),
                str(Path(__file__).parent),
                *node_places(find_node()),
                *order.readable,
            ]
            command = [*bubblewrap.options(wrapper, places, [str(base.path), *order.shared_paths]), *command]
        process = await asyncio.create_subprocess_exec(
            *command,
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
    missing = order.required - server.level.on
    if level is None or missing or not level.contains_signals:
        await server.stop()
        raise SandboxUnavailable(_complaint(level, missing, order.python, is_wrapped=is_wrapped))
    if not level.has(Guard.FILES):
        # Without Landlock a tool could look into this process through /proc.
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
    return server


def _flags(order: Order) -> list[str]:
    """Whoever wrote a package must not get code run before there is a sandbox: no .pth files, no sitecustomize."""
    return ["-I"] if order.packages is None else ["-I", "-S"]


def _settings(order: Order, base: Path, requests: int) -> str:
    settings = {
        # Inside bubblewrap our parent is its first process.
        "parent_pid": 1 if Guard.BUBBLEWRAP in order.guards else os.getpid(),
        "requests": requests,
        "base": str(base),
        "guards": sorted(order.guards),
        "preload": order.preload,
        "idle": order.idle,
        "packages": str(order.packages or ""),
        "readable": [*_own_places(order), *node_places(find_node()), *order.readable],
        "check": order.readable,
        "node": [find_node(), *node_flags(find_node())] if find_node() else [],
    }
    return json.dumps(settings)


def _own_places(order: Order) -> list[str]:
    """What the interpreter of an environment cannot tell of itself, having been started without `site`."""
    return [] if order.packages is None else [str(Path(order.python).parent.parent), str(order.packages)]


async def _python_paths(order: Order) -> list[str]:
    """Where the interpreter and its packages live, as it says itself."""
    ask = "import sys; print(sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, sep=chr(10))"
    process = await asyncio.create_subprocess_exec(
        order.python, *_flags(order), "-c", ask, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT, cwd="/"
    )
    told, _ = await process.communicate()
    return sorted({*told.decode().splitlines(), *_own_places(order)})


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


def _complaint(level: Level | None, missing: frozenset[Guard], python: str, *, is_wrapped: bool) -> str:
    if level is None and is_wrapped:
        return (
            f"The fork server ({python}) did not start inside bubblewrap; the log shows why. Containers often forbid "
            "the namespaces that bubblewrap needs: allow them, or ask for another level."
        )
    if level is None:
        return f"The fork server ({python}) did not start; the log shows why. Is this Python 3.11 or later?"
    if not level.contains_signals:
        return (
            "This machine has nothing that keeps a tool from ending other processes. Allow user namespaces, or use a "
            f"kernel with Landlock or seccomp. Found: {level.summary()}."
        )
    reasons = "; ".join(f"{guard.value}: {level.off[guard]}" for guard in sorted(missing))
    return f"The settings ask for guards that this machine does not have: {reasons}."


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
