"""Django admin of MCP servers: looked at, and deleted. Adding one needs a look at the server, so its page does that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from access.activity import actor_of
from mcp_servers.library import delete_server
from mcp_servers.models import McpServer, McpTool
from tools.library import delete_tool

if TYPE_CHECKING:
    ServerModelAdmin = admin.ModelAdmin[McpServer]
    McpToolModelAdmin = admin.ModelAdmin[McpTool]
else:
    ServerModelAdmin = McpToolModelAdmin = admin.ModelAdmin


@admin.register(McpServer)
class McpServerAdmin(ServerModelAdmin):
    """Secrets are not shown here, not even encrypted."""

    list_display = ("server_name", "kind", "address", "synced_at", "last_error")
    list_filter = ("kind",)
    search_fields = ("server_name",)
    exclude = ("encrypted_secrets",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: McpServer) -> None:
        delete_server(actor_of(request), obj)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[McpServer]) -> None:
        for server in queryset:
            delete_server(actor_of(request), server)


@admin.register(McpTool)
class McpToolAdmin(McpToolModelAdmin):
    """Whose tool is whose. Without its link a tool could not be called, so they are deleted together."""

    list_display = ("tool", "server", "remote_name")
    list_select_related = ("tool", "server")
    search_fields = ("remote_name", "tool__name")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: HttpRequest, obj: McpTool) -> None:
        delete_tool(actor_of(request), obj.tool)

    def delete_queryset(self, request: HttpRequest, queryset: Iterable[McpTool]) -> None:
        for link in queryset:
            delete_tool(actor_of(request), link.tool)
