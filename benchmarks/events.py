"""How long one worker takes to store a thousand events of ten runs at once, one by one and four at a time."""

from __future__ import annotations

import asyncio
import sys
import time

from benchmarks.overhead import own_database
from benchmarks.rig.report import Figure, show

RUNS = 10
EVENTS = 3_000
GOAL_MS = 1_000.0


async def seconds_for_a_thousand(together: int) -> float:
    """Through the recorder and the journal, as a run's events go."""
    from engine.events import CallOutput
    from runs.database import in_database
    from runs.follow import read_log
    from runs.journal import Journal, stop
    from runs.leases import register
    from runs.models import Run
    from runs.recorder import RunRecorder
    from runs.takeover import Claim, claim_waiting
    from tests.workers import make_agent

    async def claim() -> Claim:
        agent = await in_database(make_agent)
        await in_database(Run.objects.create, agent=agent)
        return (await in_database(claim_waiting, "bench", agent.pk))[0]

    await in_database(register, "bench")
    claims = [await claim() for _ in range(RUNS)]
    journal = Journal()
    writer = asyncio.create_task(journal.serve())

    async def tell(one: Claim) -> None:
        recorder = RunRecorder(journal, one.run_id, epoch=one.epoch, last_seq=0, last_delta_seq=0)
        for number in range(EVENTS // RUNS // together):
            await recorder.record(*(CallOutput("call", "stdout", f"line {number}") for _ in range(together)))

    began = time.perf_counter()
    await asyncio.gather(*(tell(one) for one in claims))
    took = time.perf_counter() - began
    await stop(writer)
    stored = sum([len(await in_database(read_log, one.run_id)) for one in claims])
    if stored != EVENTS:
        raise RuntimeError(f"{stored} of {EVENTS} events were stored")
    return took * 1_000 / EVENTS


def main() -> int:
    with own_database():
        figures = [
            Figure(f"{together} together", asyncio.run(seconds_for_a_thousand(together)) * 1_000, "ms", GOAL_MS)
            for together in (1, 4)
        ]
        is_good = show("A thousand events through one worker", figures)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
