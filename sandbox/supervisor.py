"""One process per call, between the fork server and the tool: takes the call, forks the tool, forwards its output,
keeps its time, ends all that it started, and tells the server how it ended. It runs no code of a tool.

It is forked ahead of the calls and serves several, one at a time, so a call pays for one fork only. Between two calls
nothing is left: every process below it is dead, its scratch directory is gone.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import socket
import struct
import time
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from . import linux
from .child import USUAL_CAPACITY, WaitingChild, capacity_for
from .confine import Confinement
from .containment import Containment, contain, end_all
from .frames import FrameKind, pack, receive_request
from .levels import Guard
from .report import ReportKind, ReportMemory
from .scratch import Room
from .specs import Language, Limits, Network
from .watch import Ending, Watch

COUNT = struct.Struct("=q")
CALLS_IN_A_LIFE = 64
FIRST_SPARE_UID, SPARE_UIDS = 64000, 1000
SMALLEST_PID_MAX = 301
USUAL_PROCESSES = max(SMALLEST_PID_MAX, Limits().processes)
# What a call comes with: its connection, and its switch where it has a way to the server.
KINDS = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)
PID_MAX = Path("/proc/sys/kernel/pid_max")


@dataclass(frozen=True, slots=True)
class Post:
    """What a supervisor is given: where calls come in, where it tells that it takes one or waits again, how it knows
    the fork server lives, how many of its kind are waiting, its number, and what to do."""

    requests: socket.socket
    news: int
    life: int
    waiting: mmap.mmap
    enough: int
    number: int
    fork_server_pid: int
    base: Path
    confinement: Confinement
    user_namespace: bool
    uid: int
    gid: int

    def say(self, sign: str) -> None:
        """Tell the fork server: "-" for busy from now on, "+" for waiting again."""
        os.write(self.news, f"{sign}{self.number}\n".encode())

    def is_superfluous(self) -> bool:
        """Whether more are waiting than there should be."""
        return bool(COUNT.unpack(self.waiting[: COUNT.size])[0] > self.enough)

    def is_orphaned(self) -> bool:
        """Whether the fork server has died."""
        return bool(select.select([self.life], [], [], 0)[0])


def supervise(post: Post) -> NoReturn:
    """The supervisor's whole life."""
    status = 1
    try:
        _serve_calls(post)
        status = 0
    except BaseException:  # noqa: BLE001 - last resort of a process about to end: the server's log shall know
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve_calls(post: Post) -> None:
    bench = _Bench(post, _settle(post))
    try:
        for _ in range(CALLS_IN_A_LIFE):
            bench.prepare(USUAL_CAPACITY, (), bench.network)
            bench.room.make_scratch()
            taken = _next_call(post)
            if taken is None:
                return
            connection, switch = taken
            with connection, switch or nullcontext():
                _serve(bench, connection, switch)
            post.say("+")
    finally:
        bench.clear()


def _serve(bench: _Bench, connection: socket.socket, switch: socket.socket | None) -> None:
    payload = receive_request(connection)
    if payload is None or bench.post.is_orphaned():
        return
    try:
        connection.sendall(pack(FrameKind.STARTED, b"%d" % bench.post.number))
        try:
            frames = bench.run(payload, connection, switch)
        finally:
            bench.room.empty()
        connection.sendall(frames)
    except (BrokenPipeError, ConnectionResetError):
        # The server has gone; there is nobody to tell.
        return


def _settle(post: Post) -> Containment:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    if post.user_namespace:
        # Only a dumpable process owns its files below /proc; afterwards nobody may look into this one.
        linux.prctl(linux.PR_SET_DUMPABLE, 1)
        linux.map_own_ids(post.uid, post.gid)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    return contain(post.confinement.on, post.fork_server_pid)


def _next_call(post: Post) -> tuple[socket.socket, socket.socket | None] | None:
    """Wait for a call, which may come with a way to the server; None when the server has gone or when too many of us have been waiting for long."""
    while True:
        try:
            message, fds, _, _ = socket.recv_fds(post.requests, 16, 2)
        except BlockingIOError:
            if post.is_superfluous():
                return None
            continue
        if not message or not fds:
            return None
        post.say("-")
        connection, *switches = (
            socket.socket(socket.AF_UNIX, kind, 0, fd) for kind, fd in zip(KINDS, fds, strict=False)
        )
        return connection, next(iter(switches), None)


class _Bench:
    """Where the calls of one supervisor are worked on, one after the other."""

    def __init__(self, post: Post, containment: Containment) -> None:
        self.post = post
        self._containment = containment
        on = post.confinement.on
        self._uid = FIRST_SPARE_UID + post.number % SPARE_UIDS
        self.room = Room(post.base / str(post.number), self._uid if Guard.OWN_USER in on else None)
        self._child: WaitingChild | None = None
        self._spent: WaitingChild | None = None
        self.network = Network.WEB
        self._highest_pid = 0
        self._limit_namespace(USUAL_PROCESSES)

    def prepare(self, capacity: int, writable_paths: Sequence[str], network: Network) -> WaitingChild:
        """Have a child waiting whose report may be that long, that may write to these paths and no others, and that may
        use at least this network."""
        if self._spent is not None:
            # Left until now: nobody waits for it.
            self._spent.memory.close()
            self._spent = None
        child = self._child
        if child is not None and not child.suits(capacity, writable_paths, network):
            self._discard(child)
            child = None
        if child is None:
            room = str(self.room.path)
            child = WaitingChild(self.post.confinement, room, self._uid, capacity, writable_paths, network)
        self._child = child
        return child

    def run(self, payload: bytes, connection: socket.socket, switch: socket.socket | None) -> bytes:
        """Run the tool to its end, whichever it is. Returns the last frames for the server."""
        call = json.loads(payload)
        limits = call["limits"]
        wanted = Network(call["network"])
        child = self.prepare(capacity_for(limits), call["writable_paths"], wanted)
        # The next call is likely to be of the same kind. Less of a network can still be had later, more cannot.
        self.network = Network.FULL if wanted is Network.FULL else Network.WEB
        self._child = None
        self._limit_namespace(max(SMALLEST_PID_MAX, limits["processes"]))
        started = time.monotonic()
        child.begin(payload, self.room.take_scratch(), switch)
        if switch is not None:
            switch.close()
        counts = Guard.PROCESS_LIMIT not in self.post.confinement.on
        memory = None if call["language"] == Language.PYTHON else limits["memory_bytes"]
        watch = Watch(connection, self.post.life, child, limits, self.room.path, counts_processes=counts, memory=memory)
        ending = watch.until_end(started)
        status = end_all(self._containment, child.pid)
        seconds = time.monotonic() - started
        watch.close()
        self._spent = child
        return _last_frames(ending, status, seconds, child.memory, watch)

    def clear(self) -> None:
        """The end of it."""
        if self._child is not None:
            self._discard(self._child)
        self.room.remove()

    def _discard(self, child: WaitingChild) -> None:
        end_all(self._containment, child.pid)
        child.discard()
        self._child = None

    def _limit_namespace(self, highest: int) -> None:
        """Root is exempt from RLIMIT_NPROC; a process namespace has its own highest process number instead."""
        if highest == self._highest_pid:
            return
        self._highest_pid = highest
        on = self.post.confinement.on
        if on >= {Guard.PROCESS_LIMIT, Guard.PROCESS_NAMESPACE} and Guard.OWN_USER not in on and self.post.uid == 0:
            PID_MAX.write_text(str(highest))


def _last_frames(ending: Ending, status: int, seconds: float, memory: ReportMemory, watch: Watch) -> bytes:
    frames = b""
    report = memory.read() if ending is Ending.EXITED else None
    if report is not None:
        frames = pack(FrameKind.RAISED if report.kind is ReportKind.RAISED else FrameKind.RETURNED, report.text)
    code = os.waitstatus_to_exitcode(status)
    ended = {
        "ending": ending.value,
        "code": code,
        "spoilt": memory.is_spoilt(),
        "cut": report is not None and report.cut,
        "kind": ReportKind.RAISED if report is None else report.kind,
        "seconds": seconds,
        "dropped_stdout": watch.stdout.dropped,
        "dropped_stderr": watch.stderr.dropped,
    }
    return frames + pack(FrameKind.ENDED, json.dumps(ended).encode())
