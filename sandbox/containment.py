"""Ends every process of a call, however it was started, and no process of another call.

Three ways, the strongest that the level has: in a process namespace the supervisor is its first process and kill(-1)
reaches the namespace only; within a Landlock scope kill(-1) reaches the scope only (both are atomic against forking);
otherwise the supervisor adopts orphans as their subreaper, and stops and kills whatever /proc shows below it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from enum import Enum, auto
from pathlib import Path

from . import landlock, linux
from .levels import Guard

ROUNDS = 50
PAUSE = 0.001


class Containment(Enum):
    """How far a signal of the supervisor reaches."""

    WALLED = auto()
    SWEPT = auto()


def contain(on: frozenset[Guard], outside: int) -> Containment:
    """Make this supervisor responsible for all of its descendants. `outside` is a process that must be out of reach."""
    linux.prctl(linux.PR_SET_CHILD_SUBREAPER, 1)
    if Guard.PROCESS_NAMESPACE in on:
        return Containment.WALLED if os.getpid() == 1 else Containment.SWEPT
    if Guard.SCOPES not in on:
        return Containment.SWEPT
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    landlock.Ruleset(scopes=landlock.SCOPE_SIGNALS).restrict_self()
    return Containment.SWEPT if _can_signal(outside) else Containment.WALLED


def end_all(containment: Containment, child: int) -> int:
    """Kill and reap everything below this process. Returns the wait status of `child`, which must not be reaped yet."""
    status = 0
    while True:
        _kill(containment)
        try:
            pid, ended = os.waitpid(-1, 0 if containment is Containment.WALLED else os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == child:
            status = ended
        if pid == 0:
            time.sleep(PAUSE)


def descendants(of: int) -> Iterator[int]:
    """Every process below this one that /proc shows right now."""
    for pid in _children(of):
        yield pid
        yield from descendants(pid)


def _kill(containment: Containment) -> None:
    if containment is Containment.WALLED:
        _signal(-1, signal.SIGKILL)
        return
    stopped: set[int] = set()
    for _ in range(ROUNDS):
        running = set(descendants(os.getpid())) - stopped
        if not running:
            break
        for pid in running:
            _signal(pid, signal.SIGSTOP)
        stopped |= running
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        # Gone already; or a walled call of which nothing is left.
        pass


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += [int(word) for word in (thread / "children").read_text().split()]
    except OSError:
        # It ended while we looked; its children are ours by now.
        return found
    return found


def _can_signal(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False
    except ProcessLookupError:
        return True
    return True
