"""Removes a scratch directory, whatever a tool made of it."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
