"""MCP servers as the SDKs know them: flat, secrets masked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field

from mcp_servers.models import McpServer, ServerKind
from tools.redaction import MASK

Text = Annotated[str, Field(max_length=32_768)]
Texts = dict[str, Text]


class StdioConfig(Schema):
    """A program on the server's machine."""

    mcp_server_type: Literal["stdio"]
    command: Text | None = None
    args: list[Text] | None = None
    env: Texts | None = None


class HttpConfig(Schema):
    """A server over HTTP."""

    mcp_server_type: Literal["sse", "streamable_http"]
    server_url: Text | None = None
    auth_header: Text | None = None
    auth_token: Text | None = None
    custom_headers: Texts | None = None


Config = Annotated[StdioConfig | HttpConfig, Field(discriminator="mcp_server_type")]
# In a change, null for these is how the SDKs leave them as they are.
_STAY = ("command", "args", "server_url")


class NewServer(Schema):
    """A server to add."""

    server_name: Text
    config: Config


class ServerChange(Schema):
    """What of a server is to change. What is not sent stays; null takes a token, a header or a variable away."""

    server_name: Text | None = None
    config: Config


class RunArguments(Schema):
    """Arguments for one of the server's tools."""

    args: dict[str, Any] = {}


def given(config: StdioConfig | HttpConfig) -> dict[str, Any]:
    """What was really sent of a configuration, besides its type."""
    sent = config.model_dump(exclude_unset=True, exclude={"mcp_server_type"})
    return {name: value for name, value in sent.items() if value is not None or name not in _STAY}


def server_state(server: McpServer) -> dict[str, Any]:
    """A StdioMcpServer, an SseMcpServer or a StreamableHTTPMcpServer. Values of secrets are the mask."""
    shown = server.config
    common = {"id": server.pk, "server_name": server.server_name, "mcp_server_type": server.kind}
    if server.kind == ServerKind.STDIO:
        return {**common, "command": shown["command"], "args": shown["args"], "env": _masked(shown["env_names"])}
    return {
        **common,
        "server_url": shown["server_url"],
        "auth_header": shown["auth_header"] or None,
        "auth_token": MASK if shown["has_token"] else None,
        "custom_headers": _masked(shown["header_names"]),
    }


def _masked(names: list[str]) -> dict[str, str] | None:
    return dict.fromkeys(names, MASK) or None
