"""What a call in the sandbox costs, beside a bare Python that does nothing. Run: python -m benchmarks.sandbox"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path

from sandbox.containment import descendants
from sandbox.forkserver import ForkServerSandbox
from sandbox.specs import Outcome, SandboxCall

TARGET = 1 / 3
PAIRS = 60
BATCH = 16
MANY, AT_ONCE = 200, 32
NOTHING = SandboxCall(source="def tool(): pass", function="tool", arguments={})


@dataclass(frozen=True)
class Figures:
    """Milliseconds and megabytes. `memory_mb` is what the fork server and all that waits below it keep to themselves
    or share among them (PSS), `fork_server_mb` the fork server's own resident size."""

    call_ms: float
    bare_python_ms: float
    batch_ms: float
    many_ms: float
    fork_server_mb: float
    memory_mb: float
    level: str

    @property
    def meets_target(self) -> bool:
        """Whether a call costs at most a third of a bare Python."""
        return self.call_ms <= self.bare_python_ms * TARGET

    def lines(self) -> list[str]:
        """The figures for a person."""
        return [
            f"guards: {self.level}",
            f"no-op call, median: {self.call_ms:.1f} ms",
            f"python -I -c pass, median: {self.bare_python_ms:.1f} ms",
            f"ratio: {self.call_ms / self.bare_python_ms:.2f} (target: at most {TARGET:.2f})",
            f"{BATCH} no-op calls at once: {self.batch_ms:.0f} ms, {self.batch_ms / BATCH:.1f} ms a call",
            f"{MANY} no-op calls, {AT_ONCE} at a time: {self.many_ms:.0f} ms, {self.many_ms / MANY:.1f} ms a call",
            f"idle fork server: {self.fork_server_mb:.0f} MB resident, {self.memory_mb:.0f} MB with all that waits below it",
        ]


async def measure() -> Figures:
    """Take all figures. Calls and bare Pythons take turns, so that other load on the machine hits both."""
    sandbox = ForkServerSandbox()
    await sandbox.start()
    try:
        await asyncio.gather(*(_call(sandbox) for _ in range(BATCH)))
        calls, bare = [], []
        for _ in range(PAIRS):
            calls.append(await _timed(_call(sandbox)))
            bare.append(await _timed(_bare_python()))
        batches = [await _timed(_many(sandbox, BATCH, BATCH)) for _ in range(5)]
        many = await _timed(_many(sandbox, MANY, AT_ONCE))
        # Long enough for the supervisors of the burst to leave.
        await asyncio.sleep(12)
        pid = sandbox.fork_server_pid or 0
        return Figures(
            call_ms=statistics.median(calls),
            bare_python_ms=statistics.median(bare),
            batch_ms=statistics.median(batches),
            many_ms=many,
            fork_server_mb=_megabytes(pid, "Rss"),
            memory_mb=sum(_megabytes(one, "Pss") for one in [pid, *descendants(pid)]),
            level=sandbox.level.summary(),
        )
    finally:
        await sandbox.close()


async def _call(sandbox: ForkServerSandbox) -> None:
    result = await sandbox.run(NOTHING)
    if result.outcome is not Outcome.SUCCESS:
        raise RuntimeError(result.text)


async def _many(sandbox: ForkServerSandbox, count: int, at_once: int) -> None:
    free = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with free:
            await _call(sandbox)

    await asyncio.gather(*(one() for _ in range(count)))


async def _bare_python() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", "-c", "pass")
    await process.wait()


async def _timed(work: Coroutine[None, None, None]) -> float:
    started = time.perf_counter()
    await work
    return (time.perf_counter() - started) * 1000


def _megabytes(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> int:
    """Print the figures; 1 when the target is missed."""
    figures = asyncio.run(measure())
    print("\n".join(figures.lines()))
    return 0 if figures.meets_target else 1


if __name__ == "__main__":
    sys.exit(main())
