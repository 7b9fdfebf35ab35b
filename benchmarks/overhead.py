"""What the engine costs a call: with its log in memory, with its log in SQLite, and contained in the sandbox besides.

The cost of a call is the time of a turn with a batch of n calls that do nothing, less that of a turn without calls, over n.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from benchmarks.rig.report import Figure, show

SIZES = (1, 16, 64)
TIMES = 7
MICRO = 1e6
GOALS = {"in memory": 100.0, "recorded in SQLite": 1_000.0, "recorded and contained": 10_000.0}
NO_OP = '''
def no_op() -> str:
    """Do nothing."""
    return "done"
'''

Turn = Callable[[int], Awaitable[None]]
"""Runs one turn with a batch of so many calls; 0 for a turn without."""


async def cost_of_a_call(turn: Turn) -> dict[int, float]:
    """Seconds a call, by batch size."""
    await turn(max(SIZES))
    bare = await median_of(turn, 0)
    return {size: (await median_of(turn, size) - bare) / size for size in SIZES}


async def median_of(turn: Turn, size: int) -> float:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        await turn(size)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


async def in_memory() -> dict[int, float]:
    """Planner, executor and loop with the in-memory recorder."""
    from engine.loop import World, run_agent
    from engine.permits import LocalPermits
    from engine.specs import AgentSpec, ToolSpec
    from engine.testing import FakeToolbox, MemoryRecorder
    from engine.turn import Turn as EngineTurn
    from llms.testing import ScriptedClient, asks_for, says
    from llms.types import ModelMessage, Role

    agent = AgentSpec(
        "agent-1", "a", "openai/gpt-4.1", tools=(ToolSpec("tool-1", "no_op", is_parallel=True),), wants_parallel=True
    )

    async def load_agent() -> AgentSpec:
        return agent

    async def turn(size: int) -> None:
        client = ScriptedClient(*([asks_for(*["no_op"] * size)] if size else []), says("Done."))
        world = World(
            load_agent, lambda handle: (client, handle), FakeToolbox().call, MemoryRecorder(), LocalPermits(64)
        )
        await run_agent(EngineTurn([ModelMessage(Role.USER, "Go.")]), world)
        client.verify()

    return await cost_of_a_call(turn)


async def recorded(*, is_contained: bool) -> dict[int, float]:
    """A real worker on a SQLite file; with or without the sandbox."""
    from agents.models import Agent
    from engine.testing import FakeToolbox
    from llms.testing import ScriptedClient, asks_for, says
    from runs.database import in_database
    from runs.dispatch import start_run
    from runs.equipping import equip
    from tests.workers import ended, make_agent, working
    from tools.models import Tool
    from tools.toolbox import Toolbox

    def prepare() -> Agent:
        agent = make_agent(("no_op", True))
        Tool.objects.filter(name="no_op").update(source_code=NO_OP)
        return agent

    agent = await in_database(prepare)
    toolbox = Toolbox(equip)
    script = ScriptedClient()

    async def turn(size: int) -> None:
        lines = ScriptedClient(*([asks_for(*["no_op"] * size)] if size else []), says("Done."))
        script.__dict__.update(lines.__dict__)
        run = await in_database(start_run, agent, [{"role": "user", "content": "Go."}], started_by="benchmark")
        run = await ended(run.pk)
        if (run.stop_reason, run.call_count) != ("end_turn", size):
            raise RuntimeError(f"the run ended with {run.stop_reason}: {run.error}")

    box = toolbox if is_contained else FakeToolbox()
    async with working(script, box):
        if is_contained:
            await toolbox.start()
        try:
            return await cost_of_a_call(turn)
        finally:
            if is_contained:
                await toolbox.close()


@contextmanager
def own_database() -> Iterator[None]:
    """Django on an empty database of its own."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as directory:
        os.environ.update(
            DJANGO_SETTINGS_MODULE="ade.settings", ADE_DATA_DIR=directory, ADE_LOG_LEVEL="WARNING", DATABASE_URL=""
        )
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()


def figures_of(what: str, costs: dict[int, float]) -> list[Figure]:
    return [Figure(f"{what}, {size} calls", cost * MICRO, "µs", GOALS[what]) for size, cost in costs.items()]


def main() -> int:
    """Measure all three."""
    figures = figures_of("in memory", asyncio.run(in_memory()))
    with own_database():
        figures += figures_of("recorded in SQLite", asyncio.run(recorded(is_contained=False)))
        figures += figures_of("recorded and contained", asyncio.run(recorded(is_contained=True)))
    return 0 if show("What a call costs besides its own work", figures) else 1


if __name__ == "__main__":
    sys.exit(main())
