"""/v1/mcp-servers: servers that tools come from, and those tools."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Router

from access.database import in_database
from api.auth import actor_of
from api.lookup import find
from api.schemas.mcp_servers import NewServer, RunArguments, ServerChange, given, server_state
from api.schemas.tool_runs import arguments_text, execution_result
from api.schemas.tools import tool_state
from mcp_servers.library import add_server, change_server, read_wanted, refresh_server, remove_server
from mcp_servers.models import McpServer
from tools.direct import call_directly
from tools.models import Tool

router = Router(tags=["MCP servers"])


@router.post("/mcp-servers")
async def create(request: HttpRequest, body: NewServer) -> dict[str, Any]:
    """Add a server, with the tools that it lists. One that does not answer is not added: 502 says why."""
    config = body.config
    wanted = await in_database(read_wanted, body.server_name, config.mcp_server_type, given(config))
    return server_state(await add_server(actor_of(request), wanted))


@router.get("/mcp-servers")
def list_servers(request: HttpRequest) -> list[dict[str, Any]]:
    """All servers, in the order in which they were added."""
    return [server_state(server) for server in McpServer.objects.all()]


@router.get("/mcp-servers/{mcp_server_id}")
def retrieve(request: HttpRequest, mcp_server_id: str) -> dict[str, Any]:
    """One server."""
    return server_state(_server(mcp_server_id))


@router.patch("/mcp-servers/{mcp_server_id}")
async def update(request: HttpRequest, mcp_server_id: str, body: ServerChange) -> dict[str, Any]:
    """Change a server. Where it is reached otherwise, it is asked for its tools first: if it does not answer, nothing
    is changed."""
    server = await in_database(_server, mcp_server_id)
    config = body.config
    changed = await change_server(
        actor_of(request), server, name=body.server_name, kind=config.mcp_server_type, given=given(config)
    )
    return server_state(changed)


@router.delete("/mcp-servers/{mcp_server_id}", response={204: None})
async def delete(request: HttpRequest, mcp_server_id: str) -> HttpResponse:
    """Remove a server and its tools."""
    await remove_server(actor_of(request), await in_database(_server, mcp_server_id))
    return HttpResponse(status=204)


@router.patch("/mcp-servers/{mcp_server_id}/refresh")
async def refresh(request: HttpRequest, mcp_server_id: str, agent_id: str | None = None) -> dict[str, list[str]]:
    """Ask the server for its tools again; the names of those that are new, changed and gone. `agent_id` is ignored."""
    synced = await refresh_server(actor_of(request), await in_database(_server, mcp_server_id))
    return {"deleted": list(synced.deleted), "updated": list(synced.updated), "added": list(synced.added)}


@router.get("/mcp-servers/{mcp_server_id}/tools")
def list_tools(request: HttpRequest, mcp_server_id: str) -> list[dict[str, Any]]:
    """The server's tools."""
    return [tool_state(tool) for tool in _tools(_server(mcp_server_id))]


@router.get("/mcp-servers/{mcp_server_id}/tools/{tool_id}")
def retrieve_tool(request: HttpRequest, mcp_server_id: str, tool_id: str) -> dict[str, Any]:
    """One of the server's tools."""
    return tool_state(_tool(mcp_server_id, tool_id))


@router.post("/mcp-servers/{mcp_server_id}/tools/{tool_id}/run")
async def run_tool(
    request: HttpRequest, mcp_server_id: str, tool_id: str, body: RunArguments | None = None
) -> dict[str, Any]:
    """Call one of the server's tools, outside any agent. What goes wrong with the call is its result."""
    tool = await in_database(_tool, mcp_server_id, tool_id)
    return execution_result(await call_directly(tool, arguments_text(body.args if body else {})), None)


def _server(server_id: str) -> McpServer:
    return find(McpServer.objects.all(), server_id, "mcp_server")


def _tools(server: McpServer) -> QuerySet[Tool]:
    return Tool.objects.filter(mcp__server=server)


def _tool(server_id: str, tool_id: str) -> Tool:
    return find(_tools(_server(server_id)), tool_id, "Tool")
