"""Puts the process that will run a tool under its limits. Every step is final: nothing here can be undone by the tool."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import landlock, linux
from .levels import WALLS, Guard
from .seccomp import build_filter
from .specs import Network

HIGHEST_FD = 1 << 20
WEB_PORTS = (53, 80, 443)

READABLE = (
    "/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/ca-certificates.conf", "/etc/crypto-policies",
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
    "/etc/protocols", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/alternatives",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/fonts",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/version", "/proc/filesystems", "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu", "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
DEVICES = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Confinement:
    """What the fork server knows before any call: which guards are on, the filter program of each network setting, and
    the places that every tool can read, opened, with their Landlock rights."""

    on: frozenset[Guard]
    filters: Mapping[Network, bytes]
    places: Sequence[tuple[int, int]]

    @classmethod
    def prepare(cls, on: frozenset[Guard]) -> Confinement:
        """Build the filter programs, once."""
        filters = {network: build_filter(network) for network in Network} if Guard.SYSTEM_CALLS in on else {}
        places: list[tuple[int, int]] = []
        if Guard.FILES in on:
            places += landlock.open_places([*READABLE, *python_paths()], landlock.READ_ONLY)
            places += landlock.open_places(DEVICES, landlock.DEVICE)
        return cls(on, filters, places)

    def file_rules(self, room: str) -> landlock.Ruleset | None:
        """Rules on files for one tool, still without what its call adds. They are never shared: a rule that one call
        adds would hold for the next."""
        if Guard.FILES not in self.on:
            return None
        rules = landlock.Ruleset(files=True)
        for fd, rights in self.places:
            rules.allow_open(fd, rights)
        rules.allow_paths(["/proc/self"], landlock.READ_ONLY)
        rules.allow_paths([room], landlock.EVERYTHING)
        return rules

    def filter_for(self, network: Network) -> bytes | None:
        """The filter program of the calling process; None where there is no such guard."""
        if Guard.SYSTEM_CALLS not in self.on or self.on & WALLS:
            return self.filters.get(network)
        return build_filter(network, signals_only_to=os.getpid())


def python_paths() -> list[str]:
    """Where this interpreter and its packages live."""
    return sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})


def connect_streams(stdout: int, stderr: int) -> None:
    """stdin is empty, stdout and stderr go to the pipes, every other descriptor is closed."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, HIGHEST_FD)
    for fd, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        stream = open(fd, mode, encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def set_environment(environment: Mapping[str, str], scratch: str) -> None:
    """The whole environment: our harmless defaults, then what the call gives."""
    defaults = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8"}
    os.environ.clear()
    os.environ.update({**defaults, **environment})


def become_spare_user(uid: int) -> None:
    """Change to a user that owns nothing but the scratch directory, for good."""
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def set_limits(limits: Mapping[str, Any], *, with_processes: bool) -> None:
    """The kernel's limits. CPU time is a backstop behind the wall clock, which the supervisor watches."""
    cpu_seconds = (math.ceil(limits["seconds"]) + 2) * (os.cpu_count() or 1)
    _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    _limit(resource.RLIMIT_AS, limits["memory_bytes"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_NOFILE, limits["open_files"])
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _limit(resource.RLIMIT_MSGQUEUE, 0)
    if with_processes:
        _limit(resource.RLIMIT_NPROC, limits["processes"])


def apply_landlock(on: frozenset[Guard], rules: landlock.Ruleset | None, call: Mapping[str, Any]) -> None:
    """Files in one layer, ports and scopes in another; layers only ever narrow."""
    network = Network(call["network"])
    if rules is not None:
        rules.allow_paths(call["writable_paths"], landlock.EVERYTHING)
        rules.restrict_self()
    ports = Guard.PORTS in on and network is not Network.FULL
    scopes = landlock.SCOPE_ABSTRACT_SOCKETS | landlock.SCOPE_SIGNALS if Guard.SCOPES in on else 0
    if ports or scopes:
        narrow = landlock.Ruleset(ports=ports, scopes=scopes)
        if network is Network.WEB and ports:
            narrow.allow_connect(WEB_PORTS)
        narrow.restrict_self()


def confine(
    call: Mapping[str, Any], confinement: Confinement, scratch: str, spare_uid: int, rules: landlock.Ruleset | None
) -> None:
    """Everything, in the order in which it has to be. The descriptors of the rules must still be open."""
    on = confinement.on
    os.chdir(scratch)
    os.umask(0o077)
    set_environment(call["environment"], scratch)
    if Guard.OWN_USER in on:
        become_spare_user(spare_uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.die_with_parent(signal.SIGKILL)
    set_limits(call["limits"], with_processes=Guard.PROCESS_LIMIT in on and os.getuid() != 0)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.drop_capabilities()
    apply_landlock(on, rules, call)
    program = confinement.filter_for(Network(call["network"]))
    if program is not None:
        linux.install_filter(program)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    highest = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        soft, wanted = min(soft, highest), min(wanted, highest)
    resource.setrlimit(kind, (soft, wanted))
