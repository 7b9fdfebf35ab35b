"""How each kind of tool is called. Failures become results here and only here (rule 3.4)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from django.conf import settings

from engine.log_context import at_work_for
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from sandbox.forkserver import ForkServerSandbox, Pool
from sandbox.levels import Level
from sandbox.specs import Limits, Network, SandboxCall, SandboxResult, SandboxUnavailable
from tools.models import Tool, ToolType

log = logging.getLogger(__name__)

FetchTool = Callable[[str], Awaitable[Tool]]

_sandboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, ForkServerSandbox] = WeakKeyDictionary()


def sandbox() -> ForkServerSandbox:
    """The sandbox of this event loop, shared by runs and the Test tab."""
    loop = asyncio.get_running_loop()
    if loop not in _sandboxes:
        _sandboxes[loop] = ForkServerSandbox()
    return _sandboxes[loop]


def sandbox_level() -> Level:
    """Which guards the sandbox of this event loop has. Raises SandboxUnavailable where it has not been started."""
    return sandbox().level


def sandbox_pools() -> list[Pool]:
    """The sandboxes of this process as they are now."""
    return [box.pool for box in list(_sandboxes.values())]


async def run_source(
    tool: Tool, arguments: Mapping[str, Any], on_output: Callable[[str, str], None] | None
) -> SandboxResult:
    """Run a custom tool's source with arguments that fit its schema. Raises SandboxUnavailable."""
    box = sandbox()
    await box.start()
    call = SandboxCall(
        source=tool.source_code,
        function=tool.name,
        arguments=arguments,
        limits=Limits(
            seconds=tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT,
            return_chars=tool.return_char_limit,
            output_chars=tool.return_char_limit,
        ),
        network=Network(tool.network),
        writable_paths=settings.ADE_TOOL_PATHS,
    )
    return await box.run(call, on_output)


class ToolExecutor(Protocol):
    """How tools of one kind are called."""

    async def __call__(self, tool: Tool, planned: PlannedCall, on_output: OnOutput) -> ToolResult: ...


async def call_custom(tool: Tool, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
    """A tool from source, in the sandbox."""
    result = await run_source(tool, planned.arguments or {}, on_output)
    return ToolResult(
        planned.call.id,
        Outcome(result.outcome),
        result.text,
        full_text="" if result.full_text == result.text else result.full_text,
        stdout=result.stdout,
        stderr=result.stderr,
    )


EXECUTORS: Mapping[str, ToolExecutor] = {ToolType.CUSTOM: call_custom}


class Toolbox:
    """Calls tools for runs. `fetch` gives a tool's row by id."""

    def __init__(self, fetch: FetchTool) -> None:
        self._fetch = fetch

    async def start(self) -> None:
        """Get the sandbox ready. Raises SandboxUnavailable with what to do."""
        await sandbox().start()

    async def close(self) -> None:
        """End everything that still runs."""
        await sandbox().close()

    async def call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        """Run one planned call to its result. Only cancellation is raised."""
        with at_work_for(call_id=planned.call.id):
            return await self._call(planned, on_output)

    async def _call(self, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        assert planned.tool is not None  # the executor calls only what has a tool
        try:
            tool = await self._fetch(planned.tool.id)
            return await EXECUTORS[tool.tool_type](tool, planned, on_output)
        except Tool.DoesNotExist:
            return _error(planned, "the tool has been deleted")
        except SandboxUnavailable as error:
            return _error(planned, str(error))
        except Exception as error:
            log.exception("call %s of %s failed", planned.call.id, planned.call.name)
            return _error(planned, f"{type(error).__name__}: {error}")


def _error(planned: PlannedCall, why: str) -> ToolResult:
    return ToolResult(planned.call.id, Outcome.ERROR, f"Error executing function {planned.call.name}: {why}")
