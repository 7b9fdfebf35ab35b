"""Finds out, once, which guards this kernel and this user allow, by trying each in a child of its own."""

from __future__ import annotations

import os
import platform
import pwd
import re
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import bubblewrap, landlock, linux
from .confine import become_spare_user
from .levels import Guard, Level
from .seccomp import build_filter, build_network_filter, supported
from .specs import Network
from .supervisor import FIRST_SPARE_UID, PID_MAX, SPARE_UIDS

NAMESPACED_PID_MAX_SINCE = (6, 14)


@dataclass(frozen=True, slots=True)
class Findings:
    """The level, and the clone flags that give each supervisor its namespaces."""

    level: Level
    namespaces: int


def probe(wanted: frozenset[Guard], base: Path, readable: Sequence[str] = ()) -> Findings:
    """The most that is both wanted and possible, when tools have to read these directories."""
    off: dict[Guard, str] = {guard: "not asked for by the settings" for guard in Guard if guard not in wanted}
    abi = landlock.abi()
    for guard, least, kernel in (
        (Guard.FILES, 1, "5.13"),
        (Guard.PORTS, landlock.ABI_PORTS, "6.7"),
        (Guard.SCOPES, landlock.ABI_SCOPES, "6.12"),
    ):
        if abi < least:
            off.setdefault(
                guard, f"the kernel's Landlock version is {abi}, needed is {least} (Linux {kernel}, enabled)"
            )
    if not bubblewrap.is_around():
        off.setdefault(Guard.BUBBLEWRAP, "the fork server was started without it")
    if not _filter_works():
        off.setdefault(Guard.SYSTEM_CALLS, "the kernel takes no filter, or the processor is not x86_64 or aarch64")
    namespaces = 0 if Guard.PROCESS_NAMESPACE in off else _namespaces()
    if namespaces == 0:
        off.setdefault(Guard.PROCESS_NAMESPACE, "this user may not create namespaces")
    if Guard.OWN_USER not in off and (reason := _why_no_spare_user(base, readable)):
        off[Guard.OWN_USER] = reason
    on = frozenset(Guard) - off.keys()
    if Guard.PROCESS_LIMIT in on and (reason := _why_no_process_limit(on, namespaces)):
        off[Guard.PROCESS_LIMIT] = reason
        on -= {Guard.PROCESS_LIMIT}
    return Findings(Level(on, off, abi), namespaces)


def _succeeds(attempt: Callable[[], None], namespaces: int = 0) -> bool:
    """Whether the attempt works, in a child."""
    try:
        pid = linux.fork_into(namespaces)
    except (OSError, KeyError):
        return False
    if pid == 0:
        try:
            attempt()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - any failure of a probe means: does not work here
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def _filter_works() -> bool:
    def attempt() -> None:
        linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
        linux.install_filter(build_filter())
        linux.install_filter(build_network_filter(Network.OFF))

    return supported() and _succeeds(attempt)


def _namespaces() -> int:
    """The flags that work: for root a process namespace alone, for others within a user namespace."""
    uid, gid = os.getuid(), os.getgid()

    def attempt() -> None:
        if os.getuid() != uid or uid != 0:
            linux.prctl(linux.PR_SET_DUMPABLE, 1)
            linux.map_own_ids(uid, gid)
        if os.getpid() != 1 or os.getuid() != uid:
            raise OSError("not the first process of a namespace")
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    flags = linux.CLONE_NEWPID if uid == 0 else linux.CLONE_NEWUSER | linux.CLONE_NEWPID
    return flags if _succeeds(attempt, flags) else 0


def _why_no_spare_user(base: Path, readable: Sequence[str]) -> str:
    if os.getuid() != 0:
        return "only root can change users"
    taken = {entry.pw_uid for entry in pwd.getpwall()} & set(range(FIRST_SPARE_UID, FIRST_SPARE_UID + SPARE_UIDS))
    if taken:
        return f"user id {min(taken)} is in use"

    def attempt() -> None:
        become_spare_user(FIRST_SPARE_UID)
        for directory in (sys.prefix, sys.base_prefix, str(Path(os.__file__).parent), *readable):
            os.listdir(directory)  # noqa: PTH208
        if not os.access(base, os.X_OK):
            raise PermissionError(base)

    return (
        ""
        if _succeeds(attempt)
        else f"another user could not read {', '.join([sys.base_prefix, *readable])} or enter {base}"
    )


def _why_no_process_limit(on: frozenset[Guard], namespaces: int) -> str:
    if Guard.OWN_USER in on or namespaces & linux.CLONE_NEWUSER:
        return ""
    if os.getuid() != 0:
        return "without a user namespace the limit would count all processes of this user"
    numbers = re.match(r"(\d+)\.(\d+)", platform.release())
    # Before that version the file is the whole machine's: it must not be touched.
    recent = numbers is not None and tuple(map(int, numbers.groups())) >= NAMESPACED_PID_MAX_SINCE
    if namespaces & linux.CLONE_NEWPID and recent and os.access(PID_MAX, os.W_OK):
        return ""
    return "root is exempt from the limit, and only Linux 6.14 and later have one for each process namespace"


def raise_open_files() -> None:
    """A batch of calls needs a few descriptors each; use all that we are allowed."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
