"""A real worker on the test's loop and database, with a scripted model and tools that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import cast

from agents.models import Agent, AgentTool
from engine.permits import LocalPermits
from engine.ports import CallTool
from engine.testing import FakeToolbox
from llms.types import ModelClient
from runs.database import in_database
from runs.engines import engine
from runs.models import Run
from runs.runner import Runner
from runs.worker import Worker
from tools.models import Tool
from tools.toolbox import Toolbox

_numbers = count()

SCHEMA = {"name": "t", "description": "", "parameters": {"type": "object", "properties": {}}}


class ToolboxDouble:
    """A toolbox without a sandbox."""

    def __init__(self, call: CallTool) -> None:
        self._call = call

    def of_agent(self, agent_id: str) -> CallTool:
        """The same for every agent."""
        return self._call

    async def start(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to end."""


@asynccontextmanager
async def working(
    client: ModelClient, toolbox: FakeToolbox | ToolboxDouble | Toolbox | None = None, *, max_calls: int = 64
) -> AsyncIterator[Runner]:
    """A worker that runs for the time of the block and is then stopped as by a signal."""
    inner = toolbox or FakeToolbox()
    box = inner if isinstance(inner, ToolboxDouble | Toolbox) else ToolboxDouble(inner.call)
    runner = Runner(
        f"test:{next(_numbers)}",
        toolbox=cast(Toolbox, box),
        client_for=lambda handle: (client, handle.partition("/")[2]),
        permits=LocalPermits(max_calls),
    )
    task = asyncio.create_task(Worker(runner, engine()).serve())
    try:
        yield runner
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def make_agent(*tools: str | tuple[str, bool], parallel: bool = True, model: str = "openai/gpt-4.1") -> Agent:
    """An agent with these tools: a name, or (name, is parallel-enabled)."""
    agent = Agent.objects.create(name="librarian", model=model, parallel_tool_calls=parallel)
    for item in tools:
        name, is_parallel = item if isinstance(item, tuple) else (item, False)
        tool, _ = Tool.objects.get_or_create(
            name=name, defaults={"json_schema": {**SCHEMA, "name": name}, "enable_parallel_execution": is_parallel}
        )
        AgentTool.objects.create(agent=agent, tool=tool)
    return agent


async def ended(run_id: str) -> Run:
    """The run, once it has ended."""
    from runs.follow import follow

    async for _ in follow(run_id):
        pass
    return await in_database(Run.objects.get, pk=run_id)
