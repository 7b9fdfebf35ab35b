"""The process that runs one tool, forked before its call is known, so that a call need not wait for the fork."""

from __future__ import annotations

import json
import os
import signal
import site
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from .confine import KEPT_FD, Confinement, confine, confine_call, connect_streams
from .doorway import open_doorway
from .frames import pack_request, receive_request
from .nodejs import run_node_tool
from .rehearsal import perform
from .report import WORD_BYTES, ReportKind, ReportMemory
from .runner import run_tool
from .specs import Language, Network

USUAL_CAPACITY = 10 << 20
LARGEST_ERROR_BYTES = 1 << 16
OURS = tuple(
    f"{__package__}{name}"
    for name in ("", ".child", ".coerce", ".bubblewrap", ".confine", ".containment", ".doorway", ".frames", ".holdings", ".landlock", ".levels", ".linux", ".nodejs",
                 ".probes", ".rehearsal", ".report", ".runner", ".scratch", ".seccomp", ".specs", ".supervisor", ".values", ".watch",
                 ".zygote")
)  # fmt: skip


def capacity_for(limits: Mapping[str, Any]) -> int:
    """How many bytes of report a call with these limits needs room for."""
    return max(int(limits["full_return_bytes"]), LARGEST_ERROR_BYTES)


class WaitingChild:
    """A forked process that waits for its one call. The supervisor's ends of its pipes are `stdout` and `stderr`."""

    def __init__(
        self,
        confinement: Confinement,
        room: str,
        uid: int,
        capacity: int,
        writable_paths: Sequence[str],
        network: Network,
    ) -> None:
        """Fork it, with room for a report of `capacity` bytes."""
        self.network = network
        self.capacity = capacity
        self.writable_paths = tuple(writable_paths)
        self.memory = ReportMemory(capacity, os.urandom(WORD_BYTES))
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self._call, call = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _wait_and_run(
                call,
                (stdout, stderr),
                self.memory,
                lambda: confine(confinement, room, writable_paths, uid, network),
                confinement,
                network,
            )
        call.close()
        # Held open, so that nobody is woken when the tool closes its own before it ends.
        self._writers = (stdout, stderr)

    def suits(self, capacity: int, writable_paths: Sequence[str], network: Network) -> bool:
        """Whether a call of this kind can be given to it."""
        is_open_enough = network is not Network.FULL or self.network is Network.FULL
        return self.capacity >= capacity and self.writable_paths == tuple(writable_paths) and is_open_enough

    def let_output_end(self) -> None:
        """From now on the pipes end with what other processes hold of them. Once."""
        for fd in self._writers:
            os.close(fd)

    def begin(self, call: bytes, scratch: str, switch: socket.socket | None = None) -> None:
        """Give it its call, as JSON, and its way to the server where the call has one."""
        with self._call, suppress(BrokenPipeError, ConnectionResetError):
            # One that is dead already has left the reason in its report.
            self._call.sendall(pack_request(scratch.encode() + b"\0" + call))
            if switch is not None:
                socket.send_fds(self._call, [b"switch"], [switch.fileno()])

    def discard(self) -> None:
        """Close what belongs to one that was never given a call and is dead."""
        self._call.close()
        self.let_output_end()
        os.close(self.stdout)
        os.close(self.stderr)
        self.memory.close()


def _wait_and_run(
    connection: socket.socket,
    output: tuple[int, int],
    memory: ReportMemory,
    confine_first: Callable[[], None],
    confinement: Confinement,
    network: Network,
) -> NoReturn:
    name = "of the tool"
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confine_first()
        connect_streams(*output, connection.detach())
        if confinement.packages:
            # Code of packages, which no process runs that is not confined.
            site.addsitedir(confinement.packages)
        _rehearse(memory)
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, KEPT_FD) as connection:
            payload = receive_request(connection)
            if payload is None:
                os._exit(0)
            scratch, _, text = payload.partition(b"\0")
            call = json.loads(text)
            name = call["function"]
            if call["server"] is not None:
                _open_doorway(call, connection)
        confine_call(confinement, call, scratch.decode(), network)
    except BaseException as error:  # noqa: BLE001 - fail closed: without its limits no tool runs
        problem = f"Error executing function {name}: the sandbox could not be set up: {error!r}"
        memory.write(ReportKind.RAISED, problem.encode("utf-8", "backslashreplace"))
        os._exit(1)
    if call["language"] == Language.TYPESCRIPT:
        run_node_tool(call, memory, confinement.node)
    run_tool(call, memory)


def _open_doorway(call: Mapping[str, Any], connection: socket.socket) -> None:
    """Python's HTTP clients reach the server without a network. Node.js cannot take the socket."""
    fds = socket.recv_fds(connection, 16, 1, socket.MSG_CMSG_CLOEXEC)[1]
    switch = socket.socket(fileno=fds[0])
    if call["language"] == Language.PYTHON:
        open_doorway(call["server"], switch)
    else:
        switch.close()


def _rehearse(memory: ReportMemory) -> None:
    """Run a tool of our own while there is time: the pages that a call writes to are then already this process's own.
    Afterwards a tool that imports a module of our names gets its own, or none."""
    perform()
    memory.touch()
    for module in OURS:
        sys.modules.pop(module, None)
