"""The few kernel calls that the standard library lacks. Every function raises OSError when the kernel refuses."""

from __future__ import annotations

import ctypes
import os
import platform
import signal

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522

CLONE_NUMBERS = {"x86_64": 56, "aarch64": 220}

# PyDLL keeps the interpreter's lock during the call: a raw clone must not come back in a child without it.
_libc = ctypes.PyDLL(None, use_errno=True)


class SockFprog(ctypes.Structure):
    """struct sock_fprog: a program for the kernel's packet filter."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def syscall(number: int, *arguments: int | ctypes.Array[ctypes.c_char] | None) -> int:
    """A system call by number; integers go as longs, buffers as pointers."""
    converted = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *converted), f"system call {number}")


def prctl(option: int, value: int = 0) -> None:
    """prctl(2) with one argument."""
    _checked(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def die_with_parent(with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send the signal to this process when the thread that forked it ends."""
    prctl(PR_SET_PDEATHSIG, with_signal)


def install_filter(program: bytes) -> None:
    """Set a seccomp filter for this process and its children. Needs no_new_privs."""
    fprog = SockFprog(len(program) // 8, program)
    _checked(_libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0), "seccomp")


def drop_capabilities() -> None:
    """Give up every capability, so that root is only the owner of root's files."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(header, nothing), "capset")


def fork_into(namespaces: int) -> int:
    """fork(2) whose child is in new namespaces. The caller must have one thread only."""
    if namespaces == 0:
        return os.fork()
    number = CLONE_NUMBERS[platform.machine()]
    return syscall(number, namespaces | signal.SIGCHLD, 0, 0, 0, 0)


def map_own_ids(uid: int, gid: int) -> None:
    """In a new user namespace: be the same user and group as outside, and no other."""
    for name, content in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(content)


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
