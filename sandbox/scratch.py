"""Scratch directories: made for a call, removed after it, whatever its tool made of them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Room:
    """A directory in which one call at a time gets a fresh scratch directory. Tools may write here and nowhere else."""

    def __init__(self, path: Path, owner: int | None) -> None:
        """`owner` is the user id of the tools when it is not ours."""
        path.mkdir(mode=0o700)
        self.path = path
        self._owner = owner
        self._calls = 0
        self._give(path)

    def make_scratch(self) -> str:
        """A new empty directory."""
        self._calls += 1
        scratch = self.path / str(self._calls)
        scratch.mkdir(mode=0o700)
        self._give(scratch)
        return str(scratch)

    def empty(self) -> None:
        """Remove what the call left, and what it did to the room."""
        self.path.chmod(0o700)
        with os.scandir(self.path) as entries:
            for entry in entries:
                self._remove(entry)

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
