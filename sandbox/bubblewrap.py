"""A fork server inside bubblewrap: its own view of the files, in which those of the server do not exist.

It is entered once, when the fork server starts; a call costs what it costs without it. The network stays as it is, since
tools have their own setting for that, which the other guards see to.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from .confine import READABLE
from .specs import SandboxUnavailable

PROGRAM = "bwrap"
CAP_SYS_ADMIN = 21
NAMESPACES = ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


def program() -> str:
    """The path of bubblewrap. Raises SandboxUnavailable where it is not installed."""
    path = shutil.which(PROGRAM)
    if path is None:
        raise SandboxUnavailable(
            "The settings ask for bubblewrap, which is not installed: install it (apt-get install bubblewrap) so that "
            f"{PROGRAM} is on PATH, or ask for another level."
        )
    return path


def options(path: str, readable: Sequence[str], writable: Sequence[str]) -> list[str]:
    """The command line before the command. Nothing but these places, the system's libraries and devices are there."""
    arguments = [path, "--die-with-parent", "--new-session", *_privileges(), *NAMESPACES]
    for place in READABLE:
        if not place.startswith(("/proc/", "/dev/")):
            arguments += _shown(place)
    arguments += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    for place in readable:
        arguments += ["--ro-bind", place, place]
    for place in writable:
        arguments += ["--bind", place, place]
    return [*arguments, "--chdir", "/", "--"]


def is_around(process: Path = Path("/proc/1/comm")) -> bool:
    """Whether this process lives inside bubblewrap."""
    try:
        return process.read_text().strip() == PROGRAM
    except OSError:
        return False


def _shown(place: str) -> list[str]:
    """A link as the link that it is: what it points to is shown under its own name."""
    if Path(place).is_symlink() and Path(place).parent == Path("/"):
        return ["--symlink", os.readlink(place), place]  # noqa: PTH115 - as it is written, not resolved
    return ["--ro-bind-try", place, place]


def _privileges() -> list[str]:
    """Root keeps its powers in the fork server, which gives each call a user of its own; a tool has none of them."""
    return ["--cap-add", "ALL"] if _may_administer() else ["--unshare-user"]


def _may_administer() -> bool:
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return os.getuid() == 0 and found is not None and bool(int(found[1], 16) >> CAP_SYS_ADMIN & 1)
