"""The fork server: a bare Python with the usual imports warm, from which the supervisor of each call is forked.

It keeps a few supervisors waiting. Those take calls from the socket that they share; the fork server itself is on no
call's path, it only forks more of them when too few are waiting. It has one thread, no secrets and no code of tools.
"""

from __future__ import annotations

import gc
import importlib
import json
import mmap
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from . import linux
from .confine import Confinement
from .containment import descendants
from .levels import Guard
from .probes import Findings, probe, raise_open_files
from .rehearsal import rehearse
from .scratch import remove_tree
from .supervisor import COUNT, Post, supervise

WARM = (
    "asyncio", "base64", "collections", "csv", "dataclasses", "datetime", "decimal", "enum", "functools", "glob",
    "hashlib", "inspect", "io", "itertools", "json", "linecache", "math", "operator", "os", "pathlib", "random", "re",
    "shutil", "statistics", "string", "subprocess", "sys", "tempfile", "textwrap", "time", "traceback", "typing",
    "urllib.parse", "uuid", "encodings.idna",
)  # fmt: skip
SECONDS_TO_LEAVE = 2
PAUSE_AFTER_FAILURE = 0.05
RETRY_MILLISECONDS = 2
FEWEST_WAITING = 2
SECONDS_OF_PATIENCE = 5


@dataclass(slots=True)
class ForkServer:
    """`news` and `life` are pipes: supervisors tell on one whether they are waiting, and watch the other for our death.
    `waiting` are the numbers of those that wait, and `waiting_count` how many, where supervisors can see it."""

    requests: socket.socket
    base: Path
    idle: int
    confinement: Confinement
    namespaces: int
    news: tuple[int, int] = field(default_factory=os.pipe)
    life: tuple[int, int] = field(default_factory=os.pipe)
    waiting: set[int] = field(default_factory=set)
    waiting_count: mmap.mmap = field(default_factory=lambda: mmap.mmap(-1, COUNT.size))
    pids: dict[int, int] = field(default_factory=dict)
    next_number: int = 0

    def refill(self) -> None:
        """Fork one supervisor when fewer are waiting than should."""
        if self.is_short:
            try:
                self._fork_one()
            except OSError:
                # No room for another process just now: the next turn tries again.
                time.sleep(PAUSE_AFTER_FAILURE)

    @property
    def is_short(self) -> bool:
        """Whether a call that comes in now would find nobody, or the next one after it."""
        return len(self.waiting) < (self.idle if self.next_number < self.idle else FEWEST_WAITING)

    def hear_news(self) -> None:
        """Some supervisors have taken calls, or wait again."""
        for word in os.read(self.news[0], 1 << 16).split():
            number = int(word[1:])
            if word.startswith(b"+") and number in self.pids:
                self.waiting.add(number)
            else:
                self.waiting.discard(number)
        self._count()

    def reap(self) -> None:
        """Forget supervisors that ended. What one left behind, should it have been killed itself, is killed."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            for number in [number for number, known in self.pids.items() if known == pid]:
                del self.pids[number]
                if number in self.waiting:
                    self.waiting.discard(number)
                    # It failed before any call: do not fork in a frenzy.
                    time.sleep(PAUSE_AFTER_FAILURE if status else 0)
        self._count()
        self._kill_strangers()

    def kill(self, number: int) -> None:
        """End a supervisor that does not answer."""
        if number in self.pids:
            os.kill(self.pids[number], signal.SIGKILL)

    def leave(self) -> None:
        """The server has gone: supervisors see it too and end their calls; wait for them, then for nobody."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.close(self.life[1])
        signal.alarm(SECONDS_TO_LEAVE)
        try:
            while True:
                os.waitpid(-1, 0)
        except (ChildProcessError, TimeoutError):
            pass
        signal.alarm(0)
        for pid in list(descendants(os.getpid())):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        remove_tree(self.base)

    def _fork_one(self) -> None:
        number = self.next_number
        self.next_number += 1
        uid, gid, own_pid = os.getuid(), os.getgid(), os.getpid()
        pid = linux.fork_into(self.namespaces)
        if pid == 0:
            os.close(self.life[1])
            supervise(
                Post(
                    requests=self.requests,
                    news=self.news[1],
                    life=self.life[0],
                    waiting=self.waiting_count,
                    enough=self.idle,
                    number=number,
                    fork_server_pid=own_pid,
                    base=self.base,
                    confinement=self.confinement,
                    user_namespace=bool(self.namespaces & linux.CLONE_NEWUSER),
                    uid=uid,
                    gid=gid,
                )
            )
        self.pids[number] = pid
        self.waiting.add(number)
        self._count()

    def _count(self) -> None:
        self.waiting_count[: COUNT.size] = COUNT.pack(len(self.waiting))

    def _kill_strangers(self) -> None:
        """Only a supervisor that was killed leaves children to us: they belong to no call any more."""
        known = set(self.pids.values())
        text = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
        for pid in {int(word) for word in text.split()} - known:
            os.kill(pid, signal.SIGKILL)


def main(arguments: Sequence[str]) -> NoReturn:
    """Serve until stdin ends. Arguments: the settings as JSON (see `launch._settings`)."""
    settings: dict[str, Any] = json.loads(arguments[0])
    _die_with(settings["parent_pid"])
    signal.signal(signal.SIGALRM, _out_of_time)
    raise_open_files()
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    linux.prctl(linux.PR_SET_DUMPABLE, 0)
    _warm_up(settings["preload"])
    if settings["packages"]:
        sys.path.append(settings["packages"])
    base = Path(settings["base"])
    # Tools of a spare user pass through to their own directory; without one nobody but us may.
    base.chmod(0o711)
    findings = probe(frozenset(Guard(name) for name in settings["guards"]), base, settings["check"])
    if Guard.OWN_USER not in findings.level.on:
        base.chmod(0o700)
    _tell(findings)
    requests = socket.socket(fileno=settings["requests"])
    # Supervisors that wait longer look whether they are needed.
    requests.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", SECONDS_OF_PATIENCE, 0))
    server = ForkServer(
        requests=requests,
        base=base,
        idle=settings["idle"],
        confinement=Confinement.prepare(
            findings.level.on, settings["readable"], settings["packages"], settings["node"]
        ),
        namespaces=findings.namespaces,
    )
    try:
        _serve(server)
    finally:
        signal.set_wakeup_fd(-1)
        server.leave()
        os._exit(0)


def _serve(server: ForkServer) -> None:
    wake_read, wake_write = socket.socketpair()
    wake_read.setblocking(False)
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    commands = b""
    poll = select.poll()
    for fd in (0, server.news[0], wake_read.fileno()):
        poll.register(fd, select.POLLIN)
    while True:
        server.refill()
        ready = {fd for fd, _ in poll.poll(RETRY_MILLISECONDS if server.is_short else None)}
        if server.news[0] in ready:
            server.hear_news()
        if wake_read.fileno() in ready:
            wake_read.recv(1 << 12)
            server.reap()
        if 0 in ready:
            piece = os.read(0, 1 << 12)
            if not piece:
                return
            *lines, commands = (commands + piece).split(b"\n")
            for line in lines:
                server.kill(int(line))


def _die_with(parent_pid: int) -> None:
    """End when the server does, even if a process of its own still holds our stdin open."""
    signal.signal(signal.SIGTERM, _leave_now)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    linux.die_with_parent(signal.SIGTERM)
    if os.getppid() != parent_pid:
        sys.exit(0)


def _leave_now(*_: object) -> None:
    raise SystemExit(0)


def _out_of_time(*_: object) -> None:
    raise TimeoutError


def _warm_up(preload: Sequence[str]) -> None:
    for name in (*WARM, *preload):
        importlib.import_module(name)
    rehearse()
    gc.collect()
    gc.freeze()


def _tell(findings: Findings) -> None:
    level = findings.level
    told = {"on": sorted(level.on), "off": dict(level.off), "landlock_abi": level.landlock_abi}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
