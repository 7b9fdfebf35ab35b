"""An agent as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from agents.assembly import compile_system
from agents.memory import blocks_of
from agents.model_shapes import llm_config, model_settings
from agents.models import Agent, Block
from agents.variables import environment_of
from runs.agent_files.history import blank, text_part, written
from runs.history import in_context
from runs.models import Conversation, Message
from tools.models import Tool

Wire = dict[str, Any]

_TOOL_FIELDS = (
    "name", "tool_type", "description", "source_type", "source_code", "json_schema", "args_json_schema", "tags",
    "return_char_limit", "pip_requirements", "npm_requirements", "default_requires_approval",
    "enable_parallel_execution", "timeout_seconds", "max_concurrency", "lock_group", "safe_to_retry", "network",
)  # fmt: skip
_BLOCK_FIELDS = (
    "label", "value", "limit", "description", "read_only", "metadata", "tags", "is_template", "template_name",
)  # fmt: skip
_EXTRAS = (
    "embedding", "embedding_config", "compaction_settings", "response_format", "enable_sleeptime", "hidden",
    "max_files_open", "per_file_view_window_char_limit", "embedding_chunk_size",
)  # fmt: skip
# What Letta's reader expects of an agent, and what says nothing here.
_UNSAID = (
    "initial_message_sequence", "from_template", "project", "memory_variables", "project_id", "template_id",
    "base_template_id", "identity_ids", "folder_ids", "max_reasoning_tokens", "reasoning",
)  # fmt: skip
_OFF = (
    "include_base_tools", "include_multi_agent_tools", "include_base_tool_rules", "include_default_source", "template",
    "enable_reasoner",
)  # fmt: skip


def export_agent(
    agent: Agent, *, with_messages: bool = True, with_secrets: bool = False, conversation: Conversation | None = None
) -> Wire:
    """The file's content: what Letta's import reads, with our own fields beside. The history is that of the
    conversation, or else the agent's own. Values of secrets are "" unless asked for; raises VariableProblem where they
    cannot be read."""
    tools = list(Tool.objects.filter(agenttool__agent=agent).order_by("agenttool__id").select_related("mcp__server"))
    blocks = blocks_of(agent)
    servers = _servers(tools)
    messages, shown = _history(agent, conversation) if with_messages else ([], [])
    return {
        "agents": [
            {
                **_about(agent),
                **_variables(agent, with_secrets=with_secrets),
                "id": "agent-0",
                "tool_ids": [f"tool-{number}" for number in range(len(tools))],
                "block_ids": [f"block-{number}" for number in range(len(blocks))],
                "in_context_message_ids": shown,
                "messages": messages,
            }
        ],
        "groups": [],
        "blocks": [_block(block, number) for number, block in enumerate(blocks)],
        "files": [],
        "sources": [],
        "tools": [_tool(tool, number) for number, tool in enumerate(tools)],
        "mcp_servers": servers,
        "skills": [],
        "metadata": {"exported_by": "tandem"},
        "created_at": timezone.now().isoformat(),
    }


def _about(agent: Agent) -> Wire:
    return {
        **dict.fromkeys(_UNSAID),
        **dict.fromkeys(_OFF, False),
        **{name: agent.extras.get(name) for name in _EXTRAS},
        "name": agent.name,
        "description": agent.description or None,
        "system": agent.system,
        "agent_type": agent.agent_type,
        "tags": agent.tags,
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "model": agent.model,
        "llm_config": llm_config(agent),
        "model_settings": model_settings(agent),
        "parallel_tool_calls": agent.parallel_tool_calls,
        "context_window_limit": agent.context_window,
        "max_tokens": agent.max_output_tokens,
        "tool_rules": agent.tool_rules,
        "message_buffer_autoclear": agent.extras.get("message_buffer_autoclear") or False,
        "memory_blocks": [],
        "tools": [],
        "source_ids": [],
        "files_agents": [],
        "group_ids": [],
    }


def _variables(agent: Agent, *, with_secrets: bool) -> Wire:
    environment = environment_of(agent.pk)
    shown = {key: value for key, value in environment.values.items() if key not in _secret_keys(agent)}
    secret = {key: value for key, value in environment.values.items() if key not in shown}
    values = secret if with_secrets else dict.fromkeys(secret, "")
    return {"tool_exec_environment_variables": shown, "secrets": values or None}


def _secret_keys(agent: Agent) -> set[str]:
    return set(agent.variables.filter(is_secret=True).values_list("key", flat=True))


def _tool(tool: Tool, number: int) -> Wire:
    known = {name: getattr(tool, name) for name in _TOOL_FIELDS}
    return {"id": f"tool-{number}", **known, "source_code": tool.source_code or None, "metadata_": tool.metadata}


def _block(block: Block, number: int) -> Wire:
    return {"id": f"block-{number}", **{name: getattr(block, name) for name in _BLOCK_FIELDS}}


def _servers(tools: Sequence[Tool]) -> list[Wire]:
    """The MCP servers of the tools; how they are signed in to is never told."""
    servers = {tool.mcp.server_id: tool.mcp.server for tool in tools if hasattr(tool, "mcp")}
    return [
        {
            "id": f"mcp_server-{number}",
            "server_type": server.kind,
            "server_name": server.server_name,
            "server_url": server.config.get("server_url"),
            "stdio_config": _program(server.config),
            "metadata_": None,
        }
        for number, server in enumerate(servers.values())
    ]


def _program(config: Mapping[str, Any]) -> Wire | None:
    return {"command": config["command"], "args": config.get("args", [])} if "command" in config else None


def _history(agent: Agent, conversation: Conversation | None) -> tuple[list[Wire], list[str]]:
    """The messages, the compiled system prompt first as Letta has it, and the ids of those in the context window."""
    rows = list(
        Message.objects.filter(agent=agent, conversation=conversation, position__isnull=False).order_by("position")
    )
    shown = {row.pk for row in in_context(agent, conversation)}
    prompt = {
        **blank("agent-0", 0),
        "role": "system",
        "content": [text_part(compile_system(agent))],
        "created_at": agent.created_at.isoformat(),
        "tool_returns": [],
        "approvals": [],
    }
    messages = [written(row, "agent-0", number) for number, row in enumerate(rows, 1)]
    kept = [f"message-{number}" for number, row in enumerate(rows, 1) if row.pk in shown]
    return [prompt, *messages], ["message-0", *kept]
