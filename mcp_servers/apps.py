from django.apps import AppConfig


class McpServersConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "mcp_servers"
    verbose_name = "MCP servers"

    def ready(self) -> None:
        from mcp_servers.calling import call_mcp
        from mcp_servers.pool import close_connections
        from tools.models import ToolType
        from tools.toolbox import CLOSERS, EXECUTORS

        EXECUTORS[ToolType.EXTERNAL_MCP] = call_mcp
        CLOSERS.append(close_connections)
