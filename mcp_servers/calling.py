"""How a tool of an MCP server is called. Whatever the server does is the result of the one call."""

from __future__ import annotations

import asyncio
import time

from django.conf import settings

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
    """One call. Its time, the tool's timeout, includes connecting where that is needed."""
    tool, name = equipment.tool, planned.call.name
    seconds = tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT
    told: list[str] = []
    redactor = Redactor(equipment.secrets)

    def tell(line: str) -> None:
        told.append(redactor.clean(line))
        on_output("stderr", told[-1])

    def result(outcome: Outcome, text: str) -> ToolResult:
        return _cut(
            ToolResult(planned.call.id, outcome, redactor.clean(text), stderr="".join(told)), tool.return_char_limit
        )

    def failed(why: str) -> ToolResult:
        return result(Outcome.ERROR, f"Error executing function {name}: {why}")

    try:
        link, reach = await persistently(_look_up, tool.pk)
    except McpTool.DoesNotExist:
        return failed("the MCP server of this tool has been removed")
    except McpProblem as problem:
        return failed(str(problem))
    try:
        outcome, text = await _call(link, reach, planned, tell, seconds)
    except TimeoutError:
        return result(Outcome.TIMEOUT, f"Error executing function {name}: it took longer than {seconds:g} seconds")
    except ConnectionLost as lost:
        ran = " It may have carried out the call, or part of it." if lost.was_sent else " The call was not sent."
        return failed(f"the connection to the MCP server {link.server.server_name} was lost: {lost}.{ran}")
    except (ServerRefused, McpProblem) as problem:
        return failed(str(problem))
    return result(Outcome.SUCCESS, text) if outcome is Outcome.SUCCESS else failed(text)


def _look_up(tool_id: str) -> tuple[McpTool, Reach]:
    link = McpTool.objects.select_related("server").get(pk=tool_id)
    return link, reach_of(link.server)


async def _call(
    link: McpTool, reach: Reach, planned: PlannedCall, tell: OnProgress, seconds: float
) -> tuple[Outcome, str]:
    """Once; a second time where the first cannot have reached the server. Raises what the connection raises."""
    until = time.monotonic() + seconds
    for attempt in (1, 2):
        async with asyncio.timeout(until - time.monotonic()):
            connection = await pool().connection(link.server_id, link.server.server_name, reach)
        try:
            answer = await connection.call(
                link.remote_name, planned.arguments or {}, tell, max(until - time.monotonic(), 0.01)
            )
        except ConnectionLost as lost:
            if lost.was_sent or attempt == 2:
                raise
            continue
        return Outcome.ERROR if answer.is_error else Outcome.SUCCESS, text_of(answer)
    raise AssertionError("the loop returns or raises")


def _cut(result: ToolResult, limit: int) -> ToolResult:
    if len(result.text) <= limit:
        return result
    note = f"... [return cut: {len(result.text)} characters, the limit is {limit}]"
    return ToolResult(
        result.call_id, result.outcome, result.text[:limit] + note, full_text=result.text, stderr=result.stderr
    )
