"""One process per call, between the fork server and the tool: takes the call, forks the tool, forwards its output,
keeps its time, ends all that it started, and tells the server how it ended. It runs no code of a tool.

It is forked ahead of the call and waits for it, so a call pays for one fork only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import landlock, linux
from .confine import Confinement, confine, connect_streams, file_rules, make_scratch
from .containment import Containment, contain, end_all
from .frames import FrameKind, pack, receive_request
from .levels import Guard
from .report import WORD_BYTES, ReportMemory
from .runner import run_tool
from .scratch import remove_tree
from .watch import Ending, Watch

LARGEST_ERROR_BYTES = 1 << 16
FIRST_SPARE_UID, SPARE_UIDS = 64000, 1000
SMALLEST_PID_MAX = 301
PID_MAX = Path("/proc/sys/kernel/pid_max")


@dataclass(frozen=True, slots=True)
class Post:
    """What a supervisor is given: where calls come in, where it says that it took one, how it knows the fork server
    lives, its number, and what to do."""

    requests: socket.socket
    taken: int
    life: int
    number: int
    fork_server_pid: int
    base: Path
    confinement: Confinement
    user_namespace: bool
    uid: int
    gid: int


def supervise(post: Post) -> NoReturn:
    """The supervisor's whole life."""
    status = 1
    try:
        _serve_one(post)
        status = 0
    except BaseException:  # noqa: BLE001 - last resort of a process about to end: the server's log shall know
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve_one(post: Post) -> None:
    containment = _settle(post)
    spare_uid = FIRST_SPARE_UID + post.number % SPARE_UIDS
    owner = spare_uid if Guard.OWN_USER in post.confinement.on else None
    scratch = make_scratch(post.base, str(post.number), owner)
    try:
        rules = file_rules(scratch) if Guard.FILES in post.confinement.on else None
        connection = _take(post)
        if connection is None:
            return
        payload = receive_request(connection)
        if payload is None:
            return
        connection.sendall(pack(FrameKind.STARTED, b"%d" % post.number))
        call = json.loads(payload)
        frames = _Work(post, connection, containment, call, scratch, spare_uid, rules).run()
    finally:
        remove_tree(scratch)
    try:
        connection.sendall(frames)
    except OSError:
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


def _take(post: Post) -> socket.socket | None:
    """Wait for a call; None when the server has gone."""
    message, fds, _, _ = socket.recv_fds(post.requests, 16, 1)
    if not message or not fds:
        return None
    os.write(post.taken, b"%d\n" % post.number)
    return socket.socket(fileno=fds[0])


@dataclass(slots=True)
class _Work:
    post: Post
    connection: socket.socket
    containment: Containment
    call: Mapping[str, Any]
    scratch: str
    spare_uid: int
    rules: landlock.Ruleset | None

    def run(self) -> bytes:
        """Run the tool to its end, whichever it is. Returns the last frames for the server."""
        limits = self.call["limits"]
        memory = ReportMemory(max(limits["full_return_bytes"], LARGEST_ERROR_BYTES), os.urandom(WORD_BYTES))
        stdout, stderr = os.pipe(), os.pipe()
        self._limit_namespace()
        started = time.monotonic()
        child = os.fork()
        if child == 0:
            self._become_tool(memory, stdout[1], stderr[1])
        os.close(stdout[1])
        os.close(stderr[1])
        counts = Guard.PROCESS_LIMIT not in self.post.confinement.on
        watch = Watch(self.connection, self.post.life, child, stdout[0], stderr[0], limits, counts_processes=counts)
        ending = watch.until_end(started)
        status = end_all(self.containment, child)
        seconds = time.monotonic() - started
        watch.drain()
        return _last_frames(ending, status, seconds, memory, watch)

    def _limit_namespace(self) -> None:
        """Root is exempt from RLIMIT_NPROC; a process namespace has its own highest process number instead."""
        on = self.post.confinement.on
        if on >= {Guard.PROCESS_LIMIT, Guard.PROCESS_NAMESPACE} and Guard.OWN_USER not in on and self.post.uid == 0:
            PID_MAX.write_text(str(max(SMALLEST_PID_MAX, self.call["limits"]["processes"])))

    def _become_tool(self, memory: ReportMemory, stdout: int, stderr: int) -> NoReturn:
        try:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            confine(self.call, self.post.confinement, self.scratch, self.spare_uid, self.rules)
            connect_streams(stdout, stderr)
            _forget_ourselves()
        except BaseException as error:  # noqa: BLE001 - fail closed: without its limits no tool runs
            problem = f"Error executing function {self.call['function']}: the sandbox could not be set up: {error!r}"
            memory.write(returned=False, text=problem.encode("utf-8", "backslashreplace"))
            os._exit(1)
        run_tool(self.call, memory)


def _forget_ourselves() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == __package__]:
        del sys.modules[name]


def _last_frames(ending: Ending, status: int, seconds: float, memory: ReportMemory, watch: Watch) -> bytes:
    frames = b""
    report = memory.read() if ending is Ending.EXITED else None
    if report is not None:
        frames = pack(FrameKind.RETURNED if report.returned else FrameKind.RAISED, report.text)
    code = os.waitstatus_to_exitcode(status)
    ended = {
        "ending": ending.value,
        "code": code,
        "spoilt": memory.is_spoilt(),
        "cut": report is not None and report.cut,
        "seconds": seconds,
        "dropped_stdout": watch.stdout.dropped,
        "dropped_stderr": watch.stderr.dropped,
    }
    return frames + pack(FrameKind.ENDED, json.dumps(ended).encode())
