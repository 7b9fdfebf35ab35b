"""Which guards are on. What a probe found at the start, in words for a person. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Guard(StrEnum):
    """One thing the kernel can do for us besides the limits that are always on."""

    FILES = "files"
    PORTS = "ports"
    SCOPES = "scopes"
    SYSTEM_CALLS = "system-calls"
    PROCESS_NAMESPACE = "process-namespace"
    OWN_USER = "own-user"
    PROCESS_LIMIT = "process-limit"
    BUBBLEWRAP = "bubblewrap"


# What is used wherever it works. Bubblewrap is a program that has to be installed and asked for.
EVERY_GUARD: frozenset[Guard] = frozenset(Guard) - {Guard.BUBBLEWRAP}
STRICT: frozenset[Guard] = frozenset({Guard.FILES, Guard.SYSTEM_CALLS})

# Any of these keeps a tool's signals from processes that are not its own. Without one of them, or the system call
# filter in their place, kill(-1) in a tool would end every process of the server's user, and as root of the machine.
WALLS: frozenset[Guard] = frozenset({Guard.PROCESS_NAMESPACE, Guard.SCOPES, Guard.OWN_USER})

MEANINGS: Mapping[Guard, str] = {
    Guard.FILES: "Files: tools read only Python and system libraries and write only their scratch directory (Landlock)",
    Guard.PORTS: "Ports: network 'web' connects to TCP 80, 443 and DNS only, network 'off' to none (Landlock)",
    Guard.SCOPES: "Signals: tools can signal only their own processes (Landlock)",
    Guard.SYSTEM_CALLS: "System calls: sockets, tracing, mounts and namespaces are filtered (seccomp)",
    Guard.PROCESS_NAMESPACE: "Processes: each call has its own process namespace and is ended as a whole by the kernel",
    Guard.OWN_USER: "User: each call runs under a spare user id of its own",
    Guard.PROCESS_LIMIT: "Process count: the kernel limits how many processes one call may have",
    Guard.BUBBLEWRAP: "Bubblewrap: all tools run where the server's files and processes do not exist",
}
ALWAYS = (
    "Always on: clean environment, no inherited files, private scratch directory, limits on time, memory, file size, "
    "scratch size, open files and output, no new privileges, every process of a call ended with it"
)
WITHOUT: Mapping[Guard, str] = {
    Guard.PROCESS_LIMIT: "the supervisor counts processes and ends a call that has too many",
    Guard.PROCESS_NAMESPACE: "the supervisor adopts and ends the processes of its call",
}


@dataclass(frozen=True, slots=True)
class Level:
    """The guards that are on, and for each that is off the reason."""

    on: frozenset[Guard]
    off: Mapping[Guard, str]
    landlock_abi: int

    def has(self, guard: Guard) -> bool:
        """Whether this guard is on."""
        return guard in self.on

    @property
    def contains_signals(self) -> bool:
        """Whether a tool can signal only its own processes. Nothing is run where it could signal others."""
        return bool(self.on & (WALLS | {Guard.SYSTEM_CALLS}))

    def sentences(self) -> list[str]:
        """The level in plain words, strongest first, what is missing last."""
        on = [MEANINGS[guard] for guard in Guard if guard in self.on]
        return [ALWAYS, *on, *(_missing(guard, self.off[guard]) for guard in Guard if guard in self.off)]

    def summary(self) -> str:
        """One line for the log."""
        on = ", ".join(guard.value for guard in Guard if guard in self.on) or "limits only"
        off = "; ".join(f"no {guard.value}: {self.off[guard]}" for guard in Guard if guard in self.off)
        return on + (f" ({off})" if off else "")


def _missing(guard: Guard, reason: str) -> str:
    instead = WITHOUT.get(guard)
    return f"Off: {MEANINGS[guard]}. Reason: {reason}" + (f"; instead, {instead}" if instead else "")
