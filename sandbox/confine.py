"""Puts the process that will run a tool under its limits. Every step is final: nothing here can be undone by the tool."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import landlock, linux
from .levels import WALLS, Guard
from .seccomp import build_filter, build_network_filter
from .specs import Language, Network

HIGHEST_FD = 1 << 20
KEPT_FD = 3
PROCESSORS = os.cpu_count() or 1
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
    """What the fork server knows before any call: which guards are on, the filter programs, and the places that every
    tool can read, opened, with their Landlock rights. `packages` is a directory whose .pth files are to be heeded, `node` how
    Node.js is started."""

    on: frozenset[Guard]
    program: bytes
    network_programs: Mapping[Network, bytes]
    places: Sequence[tuple[int, int]]
    packages: str = ""
    node: Sequence[str] = ()

    @classmethod
    def prepare(
        cls, on: frozenset[Guard], readable: Sequence[str] = (), packages: str = "", node: Sequence[str] = ()
    ) -> Confinement:
        """Build and open everything, once. `readable` are further places that tools can read."""
        program, networks = b"", {}
        if Guard.SYSTEM_CALLS in on:
            program, networks = (
                build_filter(sees_others=_sees_others(on)),
                {network: build_network_filter(network) for network in Network},
            )
        places: list[tuple[int, int]] = []
        if Guard.FILES in on:
            places += landlock.open_places([*READABLE, *python_paths(), *readable], landlock.READ_ONLY)
            places += landlock.open_places(DEVICES, landlock.DEVICE)
        has_hooks = bool(packages) and any(Path(packages).glob("*.pth"))
        return cls(on, program, networks, places, packages if has_hooks else "", node)

    def restrict_files(self, room: str, writable_paths: Sequence[str]) -> None:
        """Put this process under its own rules. They are never shared: a rule of one call would hold for the next."""
        scopes = landlock.SCOPE_ABSTRACT_SOCKETS | landlock.SCOPE_SIGNALS if Guard.SCOPES in self.on else 0
        files = Guard.FILES in self.on
        if not files and not scopes:
            return
        rules = landlock.Ruleset(files=files, scopes=scopes)
        if files:
            for fd, rights in self.places:
                rules.allow_open(fd, rights)
            rules.allow_paths(["/proc/self"], landlock.READ_ONLY)
            rules.allow_paths([room, *writable_paths], landlock.EVERYTHING)
        rules.restrict_self()

    def restrict_ports(self, network: Network) -> None:
        """A further layer; layers only ever narrow."""
        if Guard.PORTS not in self.on or network is Network.FULL:
            return
        rules = landlock.Ruleset(ports=True)
        if network is Network.WEB:
            rules.allow_connect(WEB_PORTS)
        rules.restrict_self()

    def filter_calls(self) -> None:
        """Load the filter of every tool; where nothing else contains signals, one for this process."""
        if Guard.SYSTEM_CALLS in self.on:
            linux.install_filter(
                self.program if self.on & WALLS else build_filter(os.getpid(), sees_others=_sees_others(self.on))
            )

    def filter_network(self, network: Network) -> None:
        """Load the filter of this network setting."""
        if network in self.network_programs:
            linux.install_filter(self.network_programs[network])


def _sees_others(on: frozenset[Guard]) -> bool:
    """Whether a tool could name processes that are not of its call and belong to its user."""
    return not on & {Guard.PROCESS_NAMESPACE, Guard.OWN_USER}


def confine(
    confinement: Confinement, room: str, writable_paths: Sequence[str], spare_uid: int, network: Network
) -> None:
    """Everything that does not depend on the call, in the order in which it has to be."""
    os.umask(0o077)
    if Guard.OWN_USER in confinement.on:
        become_spare_user(spare_uid)
    linux.prctl(linux.PR_SET_DUMPABLE, 1)
    linux.die_with_parent(signal.SIGKILL)
    linux.prctl(linux.PR_SET_NO_NEW_PRIVS, 1)
    linux.drop_capabilities()
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_MEMLOCK, resource.RLIMIT_MSGQUEUE):
        _limit(kind, 0)
    confinement.restrict_files(room, writable_paths)
    confinement.filter_calls()
    confinement.restrict_ports(network)
    confinement.filter_network(network)


def confine_call(confinement: Confinement, call: Mapping[str, Any], scratch: str, has_network: Network) -> None:
    """What remains to be done for this call in a process that is confined to `has_network` already."""
    network = Network(call["network"])
    os.chdir(scratch)
    set_environment(call["environment"], scratch)
    set_limits(
        call["limits"],
        with_memory=call["language"] == Language.PYTHON,
        with_processes=Guard.PROCESS_LIMIT in confinement.on and os.getuid() != 0,
    )
    if network is not has_network:
        confinement.restrict_ports(network)
        confinement.filter_network(network)


def python_paths() -> list[str]:
    """Where this interpreter and its packages live."""
    return sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})


def connect_streams(stdout: int, stderr: int, kept: int) -> None:
    """stdin is empty, stdout and stderr go to the pipes, `kept` moves to KEPT_FD, every other descriptor is closed."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(kept, KEPT_FD, inheritable=False)
    os.closerange(KEPT_FD + 1, HIGHEST_FD)
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


def set_limits(limits: Mapping[str, Any], *, with_memory: bool, with_processes: bool) -> None:
    """The kernel's limits. CPU time is a backstop behind the wall clock, which the supervisor watches."""
    cpu_seconds = (math.ceil(limits["seconds"]) + 2) * PROCESSORS
    _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 1)
    if with_memory:
        _limit(resource.RLIMIT_AS, limits["memory_bytes"])
    _limit(resource.RLIMIT_FSIZE, limits["file_bytes"])
    _limit(resource.RLIMIT_NOFILE, limits["open_files"])
    if with_processes:
        _limit(resource.RLIMIT_NPROC, limits["processes"])


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    highest = resource.getrlimit(kind)[1]
    wanted = soft if hard is None else hard
    if highest != resource.RLIM_INFINITY:
        soft, wanted = min(soft, highest), min(wanted, highest)
    resource.setrlimit(kind, (soft, wanted))
