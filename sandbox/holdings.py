"""How much one call holds: of the disk what lies in its room and files that it has removed but still holds open; of the
memory what its processes use."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .containment import descendants

BLOCK = 512
PAGE = os.sysconf("SC_PAGE_SIZE")
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def exceeds(room: Path, *, most_bytes: int, most_files: int) -> bool:
    """Whether the call that this process supervises holds more than that. Looks no further than it has to."""
    held: dict[tuple[int, int], int] = {}
    total = 0
    for status in _everything(room):
        key = (status.st_dev, status.st_ino)
        if key not in held:
            held[key] = status.st_blocks * BLOCK
            total += held[key]
        if total > most_bytes or len(held) > most_files:
            return True
    return False


def resident_bytes() -> int:
    """The memory that everything below this process uses; what two of them share counts twice."""
    total = 0
    for pid in descendants(own_pid()):
        with suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    return total


def own_pid() -> int:
    """The id that this process has in /proc; in a process namespace os.getpid() gives another one."""
    return int(os.readlink("/proc/self"))  # noqa: PTH115 - a Path would do no better


def _everything(room: Path) -> Iterator[os.stat_result]:
    yield from _entries(room)
    for pid in descendants(own_pid()):
        yield from _removed_files(pid)


def _entries(room: Path) -> Iterator[os.stat_result]:
    """By descriptors, not by paths: a tool can nest directories more deeply than a path can say."""
    waiting = _opened(str(room), None)
    try:
        while waiting:
            fd = waiting.pop()
            try:
                for name, status in _listing(fd):
                    yield status
                    if stat.S_ISDIR(status.st_mode):
                        waiting += _opened(name, fd)
            finally:
                os.close(fd)
    finally:
        for fd in waiting:
            os.close(fd)


def _listing(fd: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in os.listdir(fd):
        with suppress(OSError):
            yield name, os.stat(name, dir_fd=fd, follow_symlinks=False)


def _opened(name: str, parent: int | None) -> list[int]:
    """A directory that its tool made unreadable is made readable; one that is gone by now holds nothing."""
    for _ in range(2):
        try:
            return [os.open(name, DIRECTORY, dir_fd=parent)]
        except PermissionError:
            with suppress(OSError):
                os.chmod(name, 0o700, dir_fd=parent)
        except OSError:
            return []
    return []


def _removed_files(pid: int) -> Iterator[os.stat_result]:
    with suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with suppress(OSError):
                status = os.stat(f"/proc/{pid}/fd/{fd}")  # noqa: PTH116
                if stat.S_ISREG(status.st_mode) and status.st_nlink == 0:
                    yield status
