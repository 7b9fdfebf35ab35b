"""Whether many calls in a row leave anything behind. Run: python -m benchmarks.leaks [calls, by default 10,000]"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.containment import descendants
from sandbox.forkserver import ForkServerSandbox
from sandbox.specs import SandboxCall, ServerAccess

CALLS, AT_ONCE, WARM_UP = 10_000, 8, 300
GROWTH_MB = 16.0
# Every second call has a way to a server that does not answer.
NOWHERE = ServerAccess("127.0.0.1", 9, "token")
LOOKS, SECONDS_BETWEEN = 180, 0.5
LITTER = """
import os, socket, subprocess, time
def tool(n):
    print("call", n)
    if n % 4 == 0: socket.create_connection(("127.0.0.1", 9)).close()
    os.makedirs("a/b")
    open("a/b/file", "w").close()
    if n % 3 == 0: raise ValueError(n)
    if n % 10 == 0:
        subprocess.Popen(["sleep", "1000"])
        if os.fork() == 0:
            os.setsid()
            time.sleep(1000)
    return n
"""


@dataclass(frozen=True)
class Holdings:
    """What is there between calls. `processes` and `files` are those beyond what waits for calls. Memory
    is that of this process and of the fork server, resident."""

    processes: int
    files: int
    descriptors: int
    fork_server_descriptors: int
    server_mb: float
    fork_server_mb: float


@dataclass(frozen=True)
class Comparison:
    """Before and after so many calls."""

    calls: int
    before: Holdings
    after: Holdings

    @property
    def leaks(self) -> list[str]:
        """What there is more of than before; empty is good."""
        names = ("processes", "files", "descriptors", "fork_server_descriptors")
        grown = [name for name in names if getattr(self.after, name) > getattr(self.before, name)]
        memory = ("server_mb", "fork_server_mb")
        return grown + [name for name in memory if getattr(self.after, name) > getattr(self.before, name) + GROWTH_MB]

    def lines(self) -> list[str]:
        """For a person."""
        pairs = [(name, getattr(self.before, name), getattr(self.after, name)) for name in Holdings.__annotations__]
        verdict = "leaks: " + (", ".join(self.leaks) or "none")
        return [f"{self.calls} calls", *(f"{name}: {old:g} before, {new:g} after" for name, old, new in pairs), verdict]


async def compare(calls: int, scratch_root: Path) -> Comparison:
    """Make so many calls, some of which leave files, daemons and errors behind."""
    sandbox = ForkServerSandbox(scratch_root=scratch_root)
    await sandbox.start()
    try:
        await _call(sandbox, WARM_UP)
        before = await _holdings(sandbox, scratch_root)
        await _call(sandbox, calls)
        return Comparison(calls, before, await _holdings(sandbox, scratch_root))
    finally:
        await sandbox.close()


async def _call(sandbox: ForkServerSandbox, calls: int) -> None:
    numbers = iter(range(calls))

    async def work() -> None:
        for n in numbers:
            call = SandboxCall(
                source=LITTER, function="tool", arguments={"n": n}, server=NOWHERE if n % 2 == 0 else None
            )
            result = await sandbox.run(call)
            if str(n) not in result.text:
                raise RuntimeError(result.text)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _entries(scratch_root: Path, rooms: int) -> int:
    """What lies in scratch directories, directories beyond the one that waits in each room, rooms that nobody waits in."""
    count = {depth: len(list(scratch_root.glob("/".join("*" * depth)))) for depth in (2, 3, 4)}
    return count[4] + max(0, count[3] - count[2]) + max(0, count[2] - rooms)


async def _holdings(sandbox: ForkServerSandbox, scratch_root: Path) -> Holdings:
    pid = sandbox.fork_server_pid or 0
    # Supervisors of the busy time leave when they have been idle for a while. Each has one child that waits for a call.
    waiting = 2 * sandbox.pool.idle_wanted
    for _ in range(LOOKS):
        if len(list(descendants(pid))) <= waiting:
            break
        await asyncio.sleep(SECONDS_BETWEEN)
    gc.collect()
    return Holdings(
        processes=max(0, len(list(descendants(pid))) - waiting),
        files=_entries(scratch_root, sandbox.pool.idle_wanted),
        descriptors=_descriptors(os.getpid()),
        fork_server_descriptors=_descriptors(pid),
        server_mb=_resident(os.getpid()),
        fork_server_mb=_resident(pid),
    )


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Print what there was before and after; 1 when something has been left."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o711)
        found = asyncio.run(compare(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS, Path(directory)))
    print("\n".join(found.lines()))
    return 1 if found.leaks else 0


if __name__ == "__main__":
    sys.exit(main())
