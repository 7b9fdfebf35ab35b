"""How a tool of an MCP server is called. Whatever the server does is the result of the one call."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from django.conf import settings
from mcp_types import CallToolResult

from access.database import persistently
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from mcp_servers.connection import OnProgress
from mcp_servers.models import McpTool
from mcp_servers.pool import pool
from mcp_servers.problems import ConnectionLost, McpProblem, ServerRefused
from mcp_servers.reach import Reach, reach_of
from mcp_servers.results import text_of
from tools.redaction import Redactor
from tools.toolbox import Equipment


async def call_mcp(equipment: Equipment, planned: PlannedCall, on_output: OnOutput) -> ToolResult:
    """One call. Its time, the tool's timeout, includes connecting where that is needed. Secrets of the agent and of the
    server are masked in whatever comes of it."""
    tool = equipment.tool
    try:
        link, reach = await persistently(_look_up, tool.pk)
    except McpTool.DoesNotExist:
        return _failed(planned, "the MCP server of this tool has been removed")
    except McpProblem as problem:
        return _failed(planned, str(problem))
    redactor, told = Redactor(equipment.secrets | reach.secrets), list[str]()

    def tell(line: str) -> None:
        told.append(redactor.clean(line))
        on_output("stderr", told[-1])

    result = await _result(link, reach, planned, tell, tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT)
    text = redactor.clean(result.text)
    shown = _cut(text, tool.return_char_limit)
    return replace(result, text=shown, full_text="" if shown == text else text, stderr="".join(told))


def _look_up(tool_id: str) -> tuple[McpTool, Reach]:
    link = McpTool.objects.select_related("server").get(pk=tool_id)
    return link, reach_of(link.server)


async def _result(link: McpTool, reach: Reach, planned: PlannedCall, tell: OnProgress, seconds: float) -> ToolResult:
    """What came of the call, good or not. Only cancellation is raised."""
    try:
        answer = await _call(link, reach, planned, tell, seconds)
    except TimeoutError:
        return _failed(planned, f"it took longer than {seconds:g} seconds", Outcome.TIMEOUT)
    except ConnectionLost as lost:
        ran = "It may have carried out the call, or part of it." if lost.was_sent else "The call was not sent."
        return _failed(planned, f"the connection to the MCP server {link.server.server_name} was lost: {lost}. {ran}")
    except (ServerRefused, McpProblem) as problem:
        return _failed(planned, str(problem))
    text = text_of(answer)
    return _failed(planned, text) if answer.is_error else ToolResult(planned.call.id, Outcome.SUCCESS, text)


async def _call(link: McpTool, reach: Reach, planned: PlannedCall, tell: OnProgress, seconds: float) -> CallToolResult:
    """Once; a second time where the first cannot have reached the server. Raises what the connection raises."""
    until = time.monotonic() + seconds
    try:
        return await _attempt(link, reach, planned, tell, until)
    except ConnectionLost as lost:
        if lost.was_sent:
            raise
        return await _attempt(link, reach, planned, tell, until)


async def _attempt(link: McpTool, reach: Reach, planned: PlannedCall, tell: OnProgress, until: float) -> CallToolResult:
    async with asyncio.timeout(until - time.monotonic()):
        connection = await pool().connection(link.server_id, link.server.server_name, reach)
    left = max(until - time.monotonic(), 0.0)
    return await connection.call(link.remote_name, planned.arguments or {}, tell, left)


def _failed(planned: PlannedCall, why: str, outcome: Outcome = Outcome.ERROR) -> ToolResult:
    return ToolResult(planned.call.id, outcome, f"Error executing function {planned.call.name}: {why}")


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}... [return cut: {len(text)} characters, the limit is {limit}]"
