"""A real worker on the test's loop and database, with a scripted model and tools that do as they are told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

from django.conf import settings

from agents.models import Agent, AgentTool
from engine.permits import LocalPermits
from engine.plan import PlannedCall
from engine.ports import CallTool, OnOutput
from engine.specs import Outcome, ToolResult
from engine.testing import FakeToolbox
from llms.testing import AskedCall, asks_for, says
from llms.types import ModelClient, ModelEvent, ModelRequest, Role
from runs.database import in_database
from runs.dispatch import start_run
from runs.engines import engine
from runs.models import Run
from runs.permits import DatabasePermits
from runs.runner import Runner
from runs.worker import Worker
from tools.models import Tool
from tools.toolbox import Caller, Toolbox

_numbers = count()

SCHEMA = {"name": "t", "description": "", "parameters": {"type": "object", "properties": {}}}


class ToolboxDouble:
    """A toolbox without a sandbox."""

    def __init__(self, call: CallTool) -> None:
        self._call = call

    def of(self, caller: Caller) -> CallTool:
        """The same for every caller."""
        return self._call

    async def start(self) -> None:
        """Nothing to get ready."""

    async def close(self) -> None:
        """Nothing to end."""


class AskingClient:
    """A model for many agents at once: it answers each message with these calls, and their returns with a text."""

    def __init__(self, *calls: AskedCall) -> None:
        self._calls = calls

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """See llms.types.ModelClient."""
        is_done = not self._calls or request.messages[-1].role is Role.TOOL
        line = says("Done.") if is_done else asks_for(*self._calls)
        assert line.response is not None
        yield line.response


class Probe:
    """Tools that take a few turns of the loop and note how many of them ran at once at most, over all workers."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.ran: list[str] = []

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        """Run one call."""
        name = planned.call.name
        self.ran.append(planned.call.id)
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        try:
            await asyncio.sleep(0.02)
        finally:
            self.running[name] -= 1
        return ToolResult(planned.call.id, Outcome.SUCCESS, "done")


@asynccontextmanager
async def working(
    client: ModelClient, toolbox: FakeToolbox | ToolboxDouble | Toolbox | None = None, *, max_calls: int = 64
) -> AsyncIterator[Runner]:
    """A worker that runs for the time of the block and is then stopped as by a signal."""
    inner = toolbox or FakeToolbox()
    box = inner if isinstance(inner, ToolboxDouble | Toolbox) else ToolboxDouble(inner.call)
    name = f"test:{next(_numbers)}"
    runner = Runner(
        name,
        toolbox=cast(Toolbox, box),
        client_for=lambda handle: (client, handle.partition("/")[2]),
        permits=DatabasePermits(name, max_calls) if settings.IS_POSTGRES else LocalPermits(max_calls),
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


async def send(agent: Agent, text: str = "Hello", **options: Any) -> Run:
    """Send a message; the run that it started."""
    return await in_database(start_run, agent, [{"role": "user", "content": text}], started_by="test", **options)


async def ended(run_id: str) -> Run:
    """The run, once it has ended."""
    from runs.follow import follow

    async for _ in follow(run_id):
        pass
    return await in_database(Run.objects.get, pk=run_id)
