"""Which MCP servers there are, and which tools of the library are theirs."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models

from engine.ids import new_id
from tools.models import Tool


class ServerKind(models.TextChoices):
    """How a server is reached. Values are Letta's."""

    STREAMABLE_HTTP = "streamable_http", "Streamable HTTP"
    SSE = "sse", "SSE (older servers)"
    STDIO = "stdio", "A program on this machine"


class McpServer(models.Model):
    """A server that tools come from.

    `config` is what may be shown: {"server_url", "auth_header", "has_token", "header_names"} or {"command", "args",
    "env_names"}; the token and the values of headers and variables are in `encrypted_secrets`. `last_error` is "" where
    the server answered when it was last asked for its tools.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "mcp_server"), editable=False)
    server_name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=16, choices=ServerKind.choices, default=ServerKind.STREAMABLE_HTTP)
    config = models.JSONField(default=dict)
    encrypted_secrets = models.BinaryField(default=bytes)
    last_error = models.TextField(blank=True)
    synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = "MCP server"

    def __str__(self) -> str:
        return self.server_name

    @property
    def address(self) -> str:
        """Where it is, in one line."""
        shown: dict[str, Any] = self.config
        return str(shown.get("server_url") or " ".join([shown.get("command", ""), *shown.get("args", [])]))


class McpTool(models.Model):
    """A tool of the library that a server carries out. `remote_name` is what the server calls it; `annotations` is what
    the server says about it: {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint", "title"}."""

    tool = models.OneToOneField(Tool, on_delete=models.CASCADE, primary_key=True, related_name="mcp")
    server = models.ForeignKey(McpServer, on_delete=models.CASCADE, related_name="links")
    remote_name = models.CharField(max_length=500)
    annotations = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["server", "remote_name"]
        verbose_name = "MCP tool"
        constraints = [models.UniqueConstraint(fields=["server", "remote_name"], name="mcp_tool_once_per_server")]

    def __str__(self) -> str:
        return self.remote_name
