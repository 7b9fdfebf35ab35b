"""What the tests of the sandbox share: sandboxes at every level, and a look for what is left of a call."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.containment import descendants
from sandbox.forkserver import ForkServerSandbox
from sandbox.levels import EVERY_GUARD, Guard
from sandbox.specs import Limits, Network, SandboxCall

LEVELS: dict[str, frozenset[Guard]] = {
    "every guard": EVERY_GUARD,
    "no process namespace": EVERY_GUARD - {Guard.PROCESS_NAMESPACE},
    "system calls only": frozenset({Guard.SYSTEM_CALLS}),
}
QUICK = Limits(seconds=20)


def call_of(
    source: str,
    function: str = "tool",
    *,
    limits: Limits = QUICK,
    network: Network = Network.OFF,
    writable_paths: tuple[str, ...] = (),
    environment: dict[str, str] | None = None,
    **arguments: Any,
) -> SandboxCall:
    """A call of the function in this source."""
    return SandboxCall(
        source=source,
        function=function,
        arguments=arguments,
        limits=limits,
        network=network,
        writable_paths=writable_paths,
        environment=environment or {},
    )


def processes_of_calls(scratch_root: Path) -> list[int]:
    """Every process on this machine whose working directory is, or was, a scratch directory of ours."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if str((entry / "cwd").readlink()).startswith(str(scratch_root)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def supervisors_with_leftovers(sandbox: ForkServerSandbox) -> list[int]:
    """Supervisors that have more below them than the one process that waits for the next call."""
    return [pid for pid in children(sandbox.fork_server_pid) if len(list(descendants(pid))) > 1]


def children(pid: int | None) -> list[int]:
    """The processes right below this one."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def entries(directory: str | Path) -> list[Path]:
    """What a directory holds."""
    return list(Path(directory).iterdir())


LEAST_PID = 50


@contextmanager
def outsider() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of the sandbox's, with an id that no process namespace of a call has yet."""
    while (process := subprocess.Popen(["sleep", "1000"])).pid < LEAST_PID:
        process.kill()
        process.wait()
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def eventually(is_true: Callable[[], bool]) -> bool:
    """Whether it becomes true within a generous while."""
    for _ in range(500):
        if is_true():
            return True
        await asyncio.sleep(0.02)
    return is_true()


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
