"""The process that runs one tool, forked before its call is known, so that a call need not wait for the fork."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from . import linux
from .confine import Confinement, confine, connect_streams
from .frames import pack_request, receive_request
from .report import WORD_BYTES, ReportMemory
from .runner import run_tool

USUAL_CAPACITY = 10 << 20
LARGEST_ERROR_BYTES = 1 << 16
OURS = tuple(
    f"{__package__}{name}"
    for name in ("", ".child", ".coerce", ".confine", ".containment", ".frames", ".landlock", ".levels", ".linux",
                 ".probes", ".rehearsal", ".report", ".runner", ".scratch", ".seccomp", ".specs", ".supervisor", ".values", ".watch",
                 ".zygote")
)  # fmt: skip


def capacity_for(limits: Mapping[str, Any]) -> int:
    """How many bytes of report a call with these limits needs room for."""
    return max(int(limits["full_return_bytes"]), LARGEST_ERROR_BYTES)


class WaitingChild:
    """A forked process that waits for its one call. The supervisor's ends of its pipes are `stdout` and `stderr`."""

    def __init__(self, confinement: Confinement, room: str, uid: int, capacity: int) -> None:
        """Fork it, with room for a report of `capacity` bytes."""
        self.capacity = capacity
        self.memory = ReportMemory(capacity, os.urandom(WORD_BYTES))
        self.stdout, stdout = os.pipe()
        self.stderr, stderr = os.pipe()
        self._call, call = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            _wait_and_run(call, confinement, room, uid, self.memory, (stdout, stderr))
        call.close()
        os.close(stdout)
        os.close(stderr)

    def begin(self, call: Mapping[str, Any], scratch: str) -> None:
        """Give it its call."""
        with self._call:
            self._call.sendall(pack_request(json.dumps([call, scratch]).encode()))

    def discard(self) -> None:
        """Close what belongs to one that was never given a call and is dead."""
        self._call.close()
        os.close(self.stdout)
        os.close(self.stderr)
        self.memory.close()


def _wait_and_run(
    connection: socket.socket,
    confinement: Confinement,
    room: str,
    uid: int,
    memory: ReportMemory,
    output: tuple[int, int],
) -> NoReturn:
    name = "of the tool"
    try:
        os.setsid()
        linux.die_with_parent(signal.SIGKILL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        random.seed()
        rules = confinement.file_rules(room)
        payload = receive_request(connection)
        if payload is None:
            os._exit(0)
        call, scratch = json.loads(payload)
        name = call["function"]
        confine(call, confinement, scratch, uid, rules)
        connect_streams(*output)
        # A tool that imports a module of our names gets its own, or none.
        for module in OURS:
            sys.modules.pop(module, None)
    except BaseException as error:  # noqa: BLE001 - fail closed: without its limits no tool runs
        problem = f"Error executing function {name}: the sandbox could not be set up: {error!r}"
        memory.write(returned=False, text=problem.encode("utf-8", "backslashreplace"))
        os._exit(1)
    run_tool(call, memory)
