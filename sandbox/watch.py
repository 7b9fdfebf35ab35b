"""Watches one running tool: forwards what it prints, and tells when and why it has to end."""

from __future__ import annotations

import codecs
import os
import select
import socket
import time
from collections.abc import Mapping
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any

from .child import WaitingChild
from .containment import descendants
from .frames import FrameKind, pack
from .holdings import exceeds, own_pid, resident_bytes

PIECE = 1 << 16
LONGEST_WAIT = 0.25
COUNT_EVERY = 0.1
# A look at a disk that is full of files takes long itself; it may take so much of the supervisor's time.
SHARE_FOR_LOOKS = 0.2


class Ending(StrEnum):
    """Why the watch ended."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    PROCESSES = "processes"
    DISK = "disk"
    MEMORY = "memory"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


class OutputPipe:
    """Reads one stream of the tool and forwards it as text, up to a number of characters; the rest is read and counted."""

    def __init__(self, connection: socket.socket, kind: FrameKind, fd: int, chars: int) -> None:
        """Takes over `fd`."""
        os.set_blocking(fd, False)
        self.fd = fd
        self.dropped = 0
        self._connection = connection
        self._kind = kind
        self._left = chars
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def forward(self) -> bool:
        """Forward what is there. False when there is nothing more for now or for ever."""
        try:
            piece = os.read(self.fd, PIECE)
        except BlockingIOError:
            return False
        text = self._decoder.decode(piece, final=not piece)
        kept = text[: self._left]
        self._left -= len(kept)
        self.dropped += len(text) - len(kept)
        if kept:
            self._send(kept)
        return bool(piece)

    def _send(self, text: str) -> None:
        try:
            self._connection.sendall(pack(self._kind, text.encode()))
        except OSError:
            # The server hung up, which the watch sees for itself.
            self._left = 0


class Watch:
    """The watch over one child."""

    def __init__(
        self,
        connection: socket.socket,
        life: int,
        child: WaitingChild,
        limits: Mapping[str, Any],
        room: Path,
        *,
        counts_processes: bool,
        memory: int | None,
    ) -> None:
        """`life` hangs up when the fork server dies; `connection` is readable when the server wants the call ended.
        `memory` is how much all of its processes may use together, where the kernel does not limit it."""
        self.stdout = OutputPipe(connection, FrameKind.STDOUT, child.stdout, limits["output_chars"])
        self.stderr = OutputPipe(connection, FrameKind.STDERR, child.stderr, limits["output_chars"])
        self._pipes = {child.stdout: self.stdout, child.stderr: self.stderr}
        self._seconds = limits["seconds"]
        self._processes = limits["processes"]
        self._counts = counts_processes
        self._count_at = 0.0
        self._room = room
        self._memory = memory
        self._scratch = {"most_bytes": limits["scratch_bytes"], "most_files": limits["scratch_files"]}
        self._look_at = 0.0
        self._child = child
        self._child_fd = os.pidfd_open(child.pid)
        self._reasons = {
            connection.fileno(): Ending.CANCELLED,
            life: Ending.ABANDONED,
            self._child_fd: Ending.EXITED,
        }
        self._poll = select.poll()
        for fd in (*self._reasons, *self._pipes):
            self._poll.register(fd, select.POLLIN)

    def until_end(self, started: float) -> Ending:
        """Forward output until the tool ends or has to be ended."""
        deadline = started + self._seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return Ending.TIMEOUT
            ready = [fd for fd, _ in self._poll.poll(1000 * min(left, COUNT_EVERY if self._counts else LONGEST_WAIT))]
            self._forward(ready)
            for fd in ready:
                if fd in self._reasons:
                    return self._reasons[fd]
            if self._counts and self._has_too_many():
                return Ending.PROCESSES
            if reason := self._look(started):
                return reason

    def close(self) -> None:
        """Forward what is left in the pipes: nothing that could write to them is alive any more."""
        self._child.let_output_end()
        for fd, pipe in self._pipes.items():
            while pipe.forward():
                pass
            os.close(fd)
        os.close(self._child_fd)

    def _forward(self, ready: list[int]) -> None:
        for fd in ready:
            pipe = self._pipes.get(fd)
            if pipe is not None and not pipe.forward():
                self._poll.unregister(fd)

    def _has_too_many(self) -> bool:
        now = time.monotonic()
        if now < self._count_at:
            return False
        self._count_at = now + COUNT_EVERY
        return any(islice(descendants(own_pid()), self._processes, None))

    def _look(self, started: float) -> Ending | None:
        """What the kernel has no limit for. Not before a call has lasted for a while: most never get here."""
        now = time.monotonic()
        if now < max(self._look_at, started + LONGEST_WAIT):
            return None
        reason = Ending.DISK if exceeds(self._room, **self._scratch) else None
        if self._memory is not None and resident_bytes() > self._memory:
            reason = Ending.MEMORY
        took = time.monotonic() - now
        self._look_at = now + max(LONGEST_WAIT, took / SHARE_FOR_LOOKS)
        return reason
