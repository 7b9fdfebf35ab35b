"""The servers: here and only here one is added, changed, asked for its tools and removed, whoever wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from mcp_types import Tool as Listed

from access import activity
from access.activity import Actor
from access.database import in_database
from mcp_servers.connection import Connection
from mcp_servers.models import McpServer
from mcp_servers.pool import pool
from mcp_servers.problems import McpProblem, ServerNameTaken, Unreachable
from mcp_servers.reach import Reach, reach_of, read_reach, store_reach
from mcp_servers.tool_rows import Synced, delete_tools, rename_tags, store_listing

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A server as it was asked for, checked: a name that is free, and how it is reached."""

    name: str
    reach: Reach


def read_wanted(name: str, kind: str, given: Mapping[str, Any]) -> Wanted:
    """What was asked for. Raises McpProblem."""
    return Wanted(_check_name(name), read_reach(kind, given))


async def look_at(wanted: Wanted) -> tuple[Listed, ...]:
    """What tools a server lists, over a connection of its own that is closed again. Raises Unreachable."""
    connection = Connection(wanted.name, wanted.reach)
    try:
        await connection.open()
        return connection.tools
    finally:
        await connection.close()


async def add_server(actor: Actor, wanted: Wanted, *, even_if_silent: bool = False) -> McpServer:
    """Add a server with the tools that it lists. One that does not answer is not added, unless that is wanted: then
    its error is kept with it. Raises McpProblem."""
    try:
        listed = await look_at(wanted)
    except Unreachable as error:
        if not even_if_silent:
            raise
        return await in_database(_add, actor, wanted, None, str(error))
    return await in_database(_add, actor, wanted, listed, "")


@transaction.atomic
def _add(actor: Actor, wanted: Wanted, listed: tuple[Listed, ...] | None, error: str) -> McpServer:
    server = McpServer(server_name=_check_name(wanted.name), last_error=error)
    store_reach(server, wanted.reach)
    try:
        with transaction.atomic():
            server.save(force_insert=True)
    except IntegrityError as taken:  # somebody else was a moment earlier
        raise _name_taken(wanted.name) from taken
    activity.note(actor, "created", target_id=server.pk, target_name=server.server_name)
    if listed is not None:
        store_listing(actor, server, listed)
    return server


async def change_server(
    actor: Actor, server: McpServer, *, name: str | None = None, kind: str, given: Mapping[str, Any]
) -> McpServer:
    """Change how a server is reached; what is not given stays. The server is asked for its tools before anything is
    stored, unless only its name changes. Raises McpProblem."""
    before = await in_database(reach_of, server)
    wanted = Wanted(await in_database(_check_name, name or server.server_name, server), read_reach(kind, given, before))
    listed = await look_at(wanted) if wanted.reach != before else None
    return await in_database(_change, actor, server.pk, wanted, listed)


@transaction.atomic
def _change(actor: Actor, server_id: str, wanted: Wanted, listed: tuple[Listed, ...] | None) -> McpServer:
    server = McpServer.objects.select_for_update().get(pk=server_id)
    old_name, old_config = server.server_name, server.config
    server.server_name = _check_name(wanted.name, server)
    changes: dict[str, Any] = {}
    if old_name != server.server_name:
        changes["server_name"] = [old_name, server.server_name]
    if listed is not None:
        store_reach(server, wanted.reach)
        # The activity log learns that secrets were changed, never what they are.
        changes["config"] = [old_config, server.config]
    if not changes:
        return server
    server.save()
    if old_name != server.server_name:
        rename_tags(server, old_name)
    activity.note(actor, "changed", target_id=server.pk, target_name=server.server_name, changes=changes)
    if listed is not None:
        store_listing(actor, server, listed)
    return server


async def refresh_server(actor: Actor, server: McpServer) -> Synced:
    """Ask the server for its tools again. What goes wrong is kept with the server. Raises McpProblem."""
    try:
        reach = await in_database(reach_of, server)
        listed = await look_at(Wanted(server.server_name, reach))
    except McpProblem as problem:
        await in_database(McpServer.objects.filter(pk=server.pk).update, last_error=str(problem))
        raise
    return await in_database(store_listing, actor, server, listed)


async def remove_server(actor: Actor, server: McpServer) -> None:
    """The server and its tools are gone; calls under way end."""
    await in_database(delete_server, actor, server)
    pool().forget(server.pk)


@transaction.atomic
def delete_server(actor: Actor, server: McpServer) -> None:
    """The rows of the server and of its tools are gone. Its connections end when they are next looked at, or idle."""
    delete_tools(actor, server)
    activity.note(actor, "deleted", target_id=server.pk, target_name=server.server_name)
    server.delete()


def _check_name(name: str, server: McpServer | None = None) -> str:
    """The name, if no other server has it."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise McpProblem(f"A server needs a name of 1 to {LONGEST_NAME} characters.", "server_name")
    if McpServer.objects.filter(server_name=name).exclude(pk=server.pk if server else None).exists():
        raise _name_taken(name)
    return name


def _name_taken(name: str) -> ServerNameTaken:
    return ServerNameTaken(f"There is already an MCP server called {name}. Choose another name.", "server_name")
