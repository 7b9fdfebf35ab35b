"""Landlock: which files, TCP ports and processes a tool can reach. Needs no privileges; kernel 5.13 and later."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from .linux import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION = 1
RULE_PATH_BENEATH, RULE_NET_PORT = 1, 2
ABI_PORTS, ABI_SCOPES = 4, 6

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEVICE = 1 << 14, 1 << 15
RIGHTS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
RIGHTS_LATER = (1 << 16) - 1
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEVICE

READ_ONLY = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE | TRUNCATE
EVERYTHING = RIGHTS_LATER

BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1, 2


@cache
def abi() -> int:
    """The kernel's Landlock version, 0 where it has none."""
    try:
        return syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)
    except OSError:
        return 0


def open_places(paths: Iterable[str | Path], rights: int) -> list[tuple[int, int]]:
    """Descriptors for `Ruleset.allow_open` with the rights each can have. Paths that we cannot open are left out."""
    places = []
    for path in paths:
        try:
            fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        places.append((fd, rights if stat.S_ISDIR(os.fstat(fd).st_mode) else rights & ON_FILES))
    return places


class Ruleset:
    """A set of rules being written. Everything of the handled kinds that no rule allows is refused."""

    def __init__(self, *, files: bool = False, ports: bool = False, scopes: int = 0) -> None:
        """An empty ruleset; what this kernel's version does not know is left out."""
        version = abi()
        self.rights = RIGHTS_BY_ABI.get(version, RIGHTS_LATER) if files else 0
        self.fd = _create(version, self.rights, BIND_TCP | CONNECT_TCP if ports else 0, scopes)

    def allow_paths(self, paths: Iterable[str | Path], rights: int) -> None:
        """Allow what lies beneath each path. A path that is missing or that we may not open is left out."""
        for fd, allowed in open_places(paths, rights):
            self.allow_open(fd, allowed)
            os.close(fd)

    def allow_open(self, fd: int, rights: int) -> None:
        """Allow what lies beneath an opened path; rights that only a directory can have are refused for a file."""
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights & self.rights, fd))
        syscall(ADD_RULE, self.fd, RULE_PATH_BENEATH, rule, 0)

    def allow_connect(self, ports: Iterable[int]) -> None:
        """Allow TCP connections to these ports."""
        for port in ports:
            rule = ctypes.create_string_buffer(struct.pack("=QQ", CONNECT_TCP, port))
            syscall(ADD_RULE, self.fd, RULE_NET_PORT, rule, 0)

    def restrict_self(self) -> None:
        """Put this process and its children under the rules, for good. Needs no_new_privs."""
        syscall(RESTRICT_SELF, self.fd, 0)
        os.close(self.fd)


def _create(version: int, rights: int, ports: int, scopes: int) -> int:
    attributes = [rights]
    if version >= ABI_PORTS:
        attributes.append(ports)
    if version >= ABI_SCOPES:
        attributes.append(scopes)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    return syscall(CREATE_RULESET, ctypes.create_string_buffer(packed, len(packed)), len(packed), 0)
