"""Scratch directories: made for a call, removed after it, whatever its tool made of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PREFIX = "tandem-tools-"
SECONDS_UNTIL_STALE = 60
LONGEST_TICK, COARSE = 20_000_000, 1_000_000


class Base:
    """The directory below which one fork server has its rooms. It is locked as long as the server lives, so that what
    a server left that was killed together with its fork server can be told and removed."""

    def __init__(self, root: str | Path | None) -> None:
        """Make it below `root` (default: the system's), after removing those that nobody holds any more."""
        root = Path(root or tempfile.gettempdir())
        _remove_stale(root)
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)).resolve()
        self._lock = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """The end of it. Once."""
        remove_tree(self.path)
        os.close(self._lock)


def _remove_stale(root: Path) -> None:
    for path in root.glob(f"{PREFIX}*"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            status = os.fstat(fd)
            # One that was made this moment is perhaps not locked yet.
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > SECONDS_UNTIL_STALE:
                remove_tree(path)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)


class Room:
    """A directory in which one call at a time gets a fresh scratch directory. Tools may write here and nowhere else."""

    def __init__(self, path: Path, owner: int | None) -> None:
        """`owner` is the user id of the tools when it is not ours."""
        path.mkdir(mode=0o700)
        self.path = path
        self._owner = owner
        self._made = 0
        self._scratch = ""
        self._untouched: tuple[int, int] | None = None
        self._given_at = 0
        self._give(path)

    def make_scratch(self) -> None:
        """Have a new empty directory ready, ahead of the call."""
        if self._scratch:
            return
        self._made += 1
        scratch = self.path / str(self._made)
        scratch.mkdir(mode=0o700)
        self._give(scratch)
        self._scratch = str(scratch)
        self._untouched = self._changes()

    def take_scratch(self) -> str:
        """The directory of the call that begins now."""
        self.make_scratch()
        self._given_at = time.time_ns()
        return self._scratch

    def empty(self) -> None:
        """Remove what the call left, and what it did to the room. A directory that it never touched is as good as new."""
        if self._is_untouched():
            return
        self._scratch = ""
        self.path.chmod(0o700)
        with os.scandir(self.path) as entries:
            for entry in entries:
                self._remove(entry)

    def _is_untouched(self) -> bool:
        """Whether nothing was done to the room and the directory, not even undone again: the kernel notes the time of
        each change, which no tool can set, in ticks of some milliseconds. Where it notes them more coarsely we cannot know."""
        noted = self._untouched
        if noted is None or noted != self._changes():
            return False
        is_old = self._given_at - max(noted) > LONGEST_TICK
        return is_old and all(time % COARSE for time in noted)

    def _changes(self) -> tuple[int, int] | None:
        """When the room and the directory were last changed, in nanoseconds; None where that cannot be told."""
        try:
            return os.stat(self.path).st_ctime_ns, os.lstat(self._scratch).st_ctime_ns  # noqa: PTH116
        except OSError:
            return None

    def _remove(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.path)  # noqa: PTH108
            return
        try:
            # Most calls leave it empty.
            os.rmdir(entry.path)  # noqa: PTH106
        except OSError:
            remove_tree(entry.path)

    def remove(self) -> None:
        """The end of it."""
        remove_tree(self.path)

    def _give(self, path: Path) -> None:
        if self._owner is not None:
            os.chown(path, self._owner, self._owner)


def remove_tree(path: str | Path) -> None:
    """Remove it with everything in it. Symbolic links are removed, never followed. Never raises."""
    try:
        shutil.rmtree(path, onerror=_open_up)
    except (OSError, RecursionError):
        # Nested too deeply for Python, or made unreadable on purpose.
        subprocess.run(["/bin/chmod", "-R", "u+rwX", "--", str(path)], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["/bin/rm", "-rf", "--", str(path)], check=False, stderr=subprocess.DEVNULL)


def _open_up(remove: Callable[..., Any], path: str, error: Any) -> None:
    """A directory that its tool made unreadable is made readable, once, and tried again."""
    if isinstance(error[1], FileNotFoundError):
        return
    for place in (os.path.dirname(path), path):  # noqa: PTH120 - rmtree speaks in strings
        if stat.S_ISDIR(os.lstat(place).st_mode):
            os.chmod(place, 0o700)  # noqa: PTH101
    if remove in (os.open, os.scandir, os.lstat):
        raise error[1]
    remove(path)
