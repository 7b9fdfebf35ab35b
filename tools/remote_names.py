"""Names of tools that a server brings along: as providers take them, and never in the way of somebody's own tool."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable

from tools.models import Tool, ToolType

LONGEST_NAME = 64  # what OpenAI and Anthropic take


def is_remote(tool: Tool) -> bool:
    """Whether an MCP server carries the tool out."""
    return tool.tool_type == ToolType.EXTERNAL_MCP


def free_name(remote_name: str, server_name: str, taken: Container[str]) -> str:
    """The server's name for the tool; with the server's own before it where that is taken, and a number where that is,
    too."""
    plain = _word(remote_name)
    return _first_free([plain[:LONGEST_NAME]], taken) or _with_server(plain, server_name, taken)


def step_aside(tool: Tool) -> tuple[str, str]:
    """Somebody's own tool takes this one's name: it gets its server's before it. The old and the new name; stored."""
    about = (tool.metadata or {}).get("mcp") or {}
    old, taken = tool.name, set(Tool.objects.values_list("name", flat=True))
    tool.name = _with_server(_word(old), str(about.get("server_name") or "mcp"), taken)
    tool.json_schema = {**tool.json_schema, "name": tool.name}
    tool.save(update_fields=["name", "json_schema", "updated_at"])
    return old, tool.name


def _with_server(plain: str, server_name: str, taken: Container[str]) -> str:
    whole = f"{_word(server_name)}_{plain}"
    name, number = _first_free([whole[:LONGEST_NAME]], taken), 2
    while not name:
        end = f"_{number}"
        name, number = _first_free([whole[: LONGEST_NAME - len(end)] + end], taken), number + 1
    return name


def _first_free(names: Iterable[str], taken: Container[str]) -> str:
    return next((name for name in names if name not in taken), "")


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", text) or "tool"
