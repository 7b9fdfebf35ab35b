"""How each kind of tool is called. Failures become results here and only here (rule 3.4)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from django.conf import settings

from engine.log_context import at_work_for
from engine.plan import PlannedCall
from engine.ports import CallTool, OnOutput
from engine.specs import Outcome, ToolResult
from sandbox.forkserver import ForkServerSandbox, Pool
from sandbox.levels import Level
from sandbox.specs import (
    Language,
    Limits,
    Network,
    OutputStream,
    SandboxCall,
    SandboxResult,
    SandboxUnavailable,
    ServerAccess,
)
from tools.client_access import access_for, asks_for_access, asks_for_client, variables_for
from tools.models import Tool, ToolType
from tools.redaction import Redactor
from tools.sandboxes import all_sandboxes, environments, packages_of, sandboxes

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a tool is called. `run_id` is "" outside runs (the Test tab, a tool that is run directly)."""

    agent_id: str
    run_id: str = ""


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a call needs besides its arguments: the tool as it is now, the environment that its agent gives it, those of
    the values that must never be shown, the agent as `agent_state` shows it to tools that ask for it, and for whom it is
    called, if for anybody. `make_token` makes the token of a call that asks for a way to the API."""

    tool: Tool
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    agent_state: Mapping[str, Any] | None = None
    caller: Caller | None = None
    make_token: Callable[[], str] | None = None

    def access(self) -> ServerAccess | None:
        """The call's way to the API, where its tool asks for one and the agent's token was given."""
        asks = asks_for_access(self.tool.source_code, self.tool.source_type)
        return access_for(self.make_token()) if asks and self.make_token else None


Equip = Callable[[Caller, str], Awaitable[Equipment]]
"""The equipment of a call of a tool, by the tool's id. Raises Tool.DoesNotExist, CannotEquip."""


# What gives calls their equipment; whoever knows agents adds it when the server starts, for the Test tab.
EQUIPPERS: list[Equip] = []


class CannotEquip(Exception):
    """A call cannot be given what it needs; the text says why and what to do."""


def sandbox() -> ForkServerSandbox:
    """The usual sandbox of this event loop: that of tools without packages of their own."""
    return sandboxes().usual


def sandbox_level() -> Level:
    """Which guards the sandbox of this event loop has. Raises SandboxUnavailable where it has not been started."""
    return sandbox().level


def sandbox_pools() -> list[Pool]:
    """The sandboxes of this process as they are now."""
    return [pool for boxes in all_sandboxes() for pool in boxes.pools()]


async def run_source(
    tool: Tool, arguments: Mapping[str, Any], on_output: OnOutput | None, equipment: Equipment | None = None
) -> SandboxResult:
    """Run a custom tool's source with arguments that fit its schema, outside any agent unless there is `equipment`.

    Packages that it asks for are installed before, which is told as its stderr; they do not count against its time.
    Secret values are masked in whatever comes of it. Raises SandboxUnavailable.
    """
    given = equipment or Equipment(tool)
    access, agent_id = given.access(), given.caller.agent_id if given.caller else ""
    redactor = Redactor(given.secrets | ({access.token} if access else set()))
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
        # The agent's own variables of these names are another server's: they win.
        environment={**(variables_for(access, agent_id) if access else {}), **given.environment},
        agent_state=given.agent_state,
        language=Language(tool.source_type),
        parameters=tuple(tool.parameters.get("properties", {})),
        agent_id=agent_id,
        server=access,
        wants_client=asks_for_client(tool.source_code, tool.source_type),
    )
    packages = packages_of(tool)
    if packages and call.language is Language.TYPESCRIPT:
        call = replace(call, node_modules=str(environments().of(packages).node_modules))
    progress: list[str] = []
    with redactor.listening(on_output) as listen:

        def tell(line: str) -> None:
            progress.append(f"{line}\n")
            if listen is not None:
                listen(OutputStream.STDERR, progress[-1])

        async with sandboxes().lend(packages, tell, with_client=access is not None) as box:
            result = await box.run(call, listen)
    return replace(
        result,
        text=redactor.clean(result.text),
        full_text=redactor.clean(result.full_text),
        json_text=redactor.clean(result.json_text),
        stdout=redactor.clean(result.stdout),
        stderr=redactor.clean("".join(progress) + result.stderr),
    )


class ToolExecutor(Protocol):
    """How tools of one kind are called."""

    async def __call__(self, equipment: Equipment, planned: PlannedCall, on_output: OnOutput) -> ToolResult: ...


async def call_custom(equipment: Equipment, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
    """A tool from source, in the sandbox."""
    result = await run_source(equipment.tool, planned.arguments or {}, on_output, equipment)
    return ToolResult(
        planned.call.id,
        Outcome(result.outcome),
        result.text,
        full_text="" if result.full_text == result.text else result.full_text,
        json_text=result.json_text,
        stdout=result.stdout,
        stderr=result.stderr,
    )


# How each kind of tool is called; the apps that know a kind add it when the server starts.
EXECUTORS: dict[str, ToolExecutor] = {ToolType.CUSTOM: call_custom}

# What else to end with the toolbox; an app that holds on to something between calls adds it.
CLOSERS: list[Callable[[], Awaitable[None]]] = []


class Toolbox:
    """Calls tools for runs."""

    def __init__(self, equip: Equip) -> None:
        self._equip = equip

    async def start(self) -> None:
        """Get the sandbox ready. Raises SandboxUnavailable with what to do."""
        await sandbox().start()

    async def close(self) -> None:
        """End everything that still runs."""
        for close in CLOSERS:
            await close()
        await sandboxes().close()

    def of(self, caller: Caller) -> CallTool:
        """How this agent's calls are run: one planned call to its result. Only cancellation is raised."""

        async def call(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
            with at_work_for(call_id=planned.call.id):
                return await self._call(caller, planned, on_output)

        return call

    async def _call(self, caller: Caller, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        assert planned.tool is not None  # the executor calls only what has a tool
        try:
            equipment = await self._equip(caller, planned.tool.id)
            return await EXECUTORS[equipment.tool.tool_type](equipment, planned, on_output)
        except Tool.DoesNotExist:
            return _error(planned, "the tool has been deleted")
        except (SandboxUnavailable, CannotEquip) as error:
            return _error(planned, str(error))
        except Exception as error:
            log.exception("call %s of %s failed", planned.call.id, planned.call.name)
            return _error(planned, f"{type(error).__name__}: {error}")


def _error(planned: PlannedCall, why: str) -> ToolResult:
    return ToolResult(planned.call.id, Outcome.ERROR, f"Error executing function {planned.call.name}: {why}")
