"""The system call filter of a tool, as a program for the kernel. Pure: names and numbers in, bytes out.

It refuses what no tool needs and what has been the way out of sandboxes: tracing, mounts, namespaces, key rings, kernel
programs. Everything else is allowed, so that ordinary Python works.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from .specs import Network

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, ERRNO, KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
NUMBER_OFFSET, ARCHITECTURE_OFFSET, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
X32_BIT = 0x40000000
NEW_NAMESPACE_FLAGS = 0x7E020000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
F_SETOWN, F_SETOWN_EX = 8, 15
IOPRIO_WHO_PROCESS = 1
FIOSETOWN, SIOCSPGRP = 0x8901, 0x8902

FAMILIES: Mapping[Network, tuple[int, ...]] = {
    Network.OFF: (),
    Network.WEB: (AF_INET, AF_INET6),
    Network.FULL: (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK),
}

# Names with their numbers on x86_64 and aarch64; None where the architecture has no such call.
REFUSED: Mapping[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "syslog": (103, 116),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "personality": (135, 92),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
    # What these make outlives its process, and what others of the same user made is reached by number.
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "semop": (65, 193),
    "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188),
    "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "modify_ldt": (154, None),
    "move_pages": (279, 239), "migrate_pages": (256, 238), "fanotify_init": (300, 262), "vhangup": (153, 58),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the filter must know of a processor family."""

    audit: int
    column: int
    clone: int
    ioctl: int
    socket: int
    fcntl: int
    signals_by_pid: tuple[int, ...]
    others_by_pid: tuple[int, ...]
    setpriority: int
    ioprio_set: int
    pidfd_send_signal: int = 424


CLONE3 = 435
ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(
        audit=0xC000003E,
        column=0,
        clone=56,
        ioctl=16,
        socket=41,
        fcntl=72,
        signals_by_pid=(62, 200, 234, 129, 297),
        others_by_pid=(302, 203, 144, 142, 314),
        setpriority=141,
        ioprio_set=251,
    ),
    "aarch64": Architecture(
        audit=0xC00000B7,
        column=1,
        clone=220,
        ioctl=29,
        socket=198,
        fcntl=25,
        signals_by_pid=(129, 130, 131, 138, 240),
        others_by_pid=(261, 122, 119, 118, 274),
        setpriority=140,
        ioprio_set=30,
    ),
}


def supported() -> bool:
    """Whether we know this processor's system call numbers."""
    return platform.machine() in ARCHITECTURES


def build_filter(signals_only_to: int | None = None, *, sees_others: bool = True) -> bytes:
    """The filter program for every tool.

    With `sees_others` it could name processes of the server's user: it may change the limits, priority and processors of
    the calling one alone.

    `signals_only_to` is the one process id that may be signalled, for levels where nothing else keeps a tool's signals
    to its own processes: a tool can then end its children only by ending itself.
    """
    machine = ARCHITECTURES[platform.machine()]
    program = [
        _load(ARCHITECTURE_OFFSET),
        *_unless_equal(machine.audit, KILL_PROCESS),
        _load(NUMBER_OFFSET),
        _jump(JUMP_AT_LEAST, X32_BIT, 0, 1),
        _return(KILL_PROCESS),
    ]
    for numbers in REFUSED.values():
        number = numbers[machine.column]
        if number is not None:
            program += _if_equal(number, _refusal(errno.EPERM))
    # The C library falls back to clone, whose flags a filter can see.
    program += _if_equal(CLONE3, _refusal(errno.ENOSYS))
    program += _on_call(machine.clone, _refuse_bits(NEW_NAMESPACE_FLAGS))
    program += _on_call(machine.ioctl, _refuse_values((TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP), SECOND_ARGUMENT))
    if sees_others:
        program += _rules_for_others(machine)
    if signals_only_to is not None:
        program += _signal_rules(machine, signals_only_to)
    return b"".join([*program, _return(ALLOW)])


def build_network_filter(network: Network) -> bytes:
    """The further filter program for tools with this network setting: which families of sockets they can open. It is
    small, because it is loaded when the call is already known; the strictest of several filters decides."""
    machine = ARCHITECTURES[platform.machine()]
    rules = _on_call(machine.socket, _allow_only(FAMILIES[network], errno.EACCES))
    return b"".join([_load(NUMBER_OFFSET), *rules, _return(ALLOW)])


def _rules_for_others(machine: Architecture) -> list[bytes]:
    """0 is the caller: as a process id (limits, scheduling), and as a kind of id followed by one (priorities)."""
    program: list[bytes] = []
    for number in machine.others_by_pid:
        program += _on_call(number, _allow_only((0,), errno.EPERM))
    program += _on_call(machine.setpriority, _allow_only_both(0, 0))
    program += _on_call(machine.ioprio_set, _allow_only_both(IOPRIO_WHO_PROCESS, 0))
    return program


def _signal_rules(machine: Architecture, pid: int) -> list[bytes]:
    program = _if_equal(machine.pidfd_send_signal, _refusal(errno.EPERM))
    # A descriptor's owner is sent signals of the caller's choice too.
    program += _on_call(machine.fcntl, _refuse_values((F_SETOWN, F_SETOWN_EX), SECOND_ARGUMENT))
    for number in machine.signals_by_pid:
        program += _on_call(number, _allow_only((pid,), errno.EPERM))
    return program


def _load(offset: int) -> bytes:
    return struct.pack("=HBBI", LOAD, 0, 0, offset)


def _jump(code: int, value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _return(verdict: int) -> bytes:
    return struct.pack("=HBBI", RETURN, 0, 0, verdict)


def _refusal(number: int) -> int:
    return ERRNO | number


def _if_equal(value: int, verdict: int) -> list[bytes]:
    return [_jump(JUMP_EQUAL, value, 0, 1), _return(verdict)]


def _unless_equal(value: int, verdict: int) -> list[bytes]:
    return [_jump(JUMP_EQUAL, value, 1, 0), _return(verdict)]


def _on_call(number: int, body: list[bytes]) -> list[bytes]:
    """Run `body` for this call only. A body always ends in a verdict, so the call number stays loaded for the rest."""
    return [_jump(JUMP_EQUAL, number, 0, len(body)), *body]


def _refuse_bits(bits: int) -> list[bytes]:
    return [
        _load(FIRST_ARGUMENT),
        _jump(JUMP_ANY_BIT, bits, 0, 1),
        _return(_refusal(errno.EPERM)),
        _return(ALLOW),
    ]


def _refuse_values(values: tuple[int, ...], offset: int) -> list[bytes]:
    refusals = [piece for value in values for piece in _if_equal(value, _refusal(errno.EPERM))]
    return [_load(offset), *refusals, _return(ALLOW)]


def _allow_only(values: tuple[int, ...], otherwise: int) -> list[bytes]:
    allowed = [piece for value in values for piece in _if_equal(value, ALLOW)]
    return [_load(FIRST_ARGUMENT), *allowed, _return(_refusal(otherwise))]


def _allow_only_both(first: int, second: int) -> list[bytes]:
    refusal = _return(_refusal(errno.EPERM))
    return [
        _load(FIRST_ARGUMENT),
        _jump(JUMP_EQUAL, first, 1, 0),
        refusal,
        _load(SECOND_ARGUMENT),
        _jump(JUMP_EQUAL, second, 1, 0),
        refusal,
        _return(ALLOW),
    ]
