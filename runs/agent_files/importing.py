"""Agents made from a file: all of them or, where anything is wrong, nothing at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from access.activity import Actor
from agents.memory import create_block
from agents.models import Agent, Block
from agents.problems import AgentProblem
from agents.roster import create_agent
from agents.variables import VariableProblem, replace_variables, set_variable
from mcp_servers.models import McpTool
from runs.agent_files.history import store_history, without_prompt
from runs.agent_files.shape import AgentFile, AgentFileProblem, FileAgent, FileTool
from tools.built_in import ensure
from tools.library import ToolProblem, create_tool, upsert_tool
from tools.models import Tool, ToolType

_AGENT_FIELDS = (
    "description", "system", "agent_type", "tags", "metadata", "timezone", "llm_config", "model_settings",
    "parallel_tool_calls", "tool_rules",
)  # fmt: skip
_EXTRAS = (
    "embedding", "embedding_config", "compaction_settings", "response_format", "message_buffer_autoclear",
    "enable_sleeptime", "hidden", "max_files_open", "per_file_view_window_char_limit",
)  # fmt: skip
_BLOCK_FIELDS = {
    "label", "value", "limit", "description", "read_only", "metadata", "tags", "is_template", "template_name",
}  # fmt: skip
_TOOL_FIELDS = {
    "description", "source_type", "args_json_schema", "tags", "return_char_limit", "pip_requirements",
    "npm_requirements", "default_requires_approval", "enable_parallel_execution", "timeout_seconds", "max_concurrency",
    "lock_group", "safe_to_retry", "network",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wishes:
    """What shall be otherwise than in the file. "" leaves it; `secrets` None leaves the file's variables."""

    name: str = ""
    model: str = ""
    embedding: str = ""
    appends_copy: bool = True
    overrides_tools: bool = True
    strips_messages: bool = False
    project_id: str = ""
    secrets: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """The new agents, and what of the file is not with them."""

    agents: tuple[Agent, ...]
    warnings: tuple[str, ...]


def import_agents(actor: Actor, file: AgentFile, wishes: Wishes) -> Imported:
    """New agents from the file. Raises AgentFileProblem, and then nothing was made."""
    work = _Import(actor, file, wishes)
    try:
        with transaction.atomic():
            agents = work.run()
    except (AgentProblem, ToolProblem, VariableProblem) as problem:
        raise AgentFileProblem(f"{work.place}: {problem}") from problem
    return Imported(tuple(agents), tuple(work.warnings))


@dataclass(slots=True)
class _Import:
    """One import under way; `place` is what it is at, for whoever has to be told."""

    actor: Actor
    file: AgentFile
    wishes: Wishes
    place: str = "The file"
    warnings: list[str] = field(default_factory=list)

    def run(self) -> list[Agent]:
        tools = self._tools()
        blocks = self._blocks()
        return [self._agent(agent, tools, blocks) for agent in self.file.agents]

    def _tools(self) -> dict[str, str]:
        """The library's ids of the file's tools; those that cannot be had are missing."""
        found: dict[str, str] = {}
        for tool in self.file.tools:
            self.place = f"Tool {tool.name}"
            row = self._tool(tool)
            if row is not None:
                found[tool.id] = row.pk
        return found

    def _tool(self, tool: FileTool) -> Tool | None:
        if tool.tool_type == ToolType.EXTERNAL_MCP:
            return self._remote_tool(tool)
        if tool.tool_type != ToolType.CUSTOM:
            return self._built_in(tool)
        if not tool.source_code:
            raise AgentFileProblem(f"Tool {tool.name} has no source_code.")
        fields = {name: value for name in _TOOL_FIELDS if (value := getattr(tool, name)) is not None}
        fields |= {"metadata": tool.metadata_} if tool.metadata_ is not None else {}
        fields |= {"json_schema": tool.whole_schema} if tool.whole_schema is not None else {}
        known = Tool.objects.filter(name=tool.name).first()
        if known is None:
            return create_tool(self.actor, source_code=tool.source_code, fields=fields)
        if known.tool_type != ToolType.CUSTOM:
            self.warnings.append(f"The tool {tool.name} is that of this server, not the file's.")
            return known
        if self.wishes.overrides_tools:
            return upsert_tool(self.actor, source_code=tool.source_code, fields=fields)[0]
        return known

    def _built_in(self, tool: FileTool) -> Tool | None:
        row = next(iter(ensure([tool.name])), None)
        if row is None:
            self.warnings.append(f"This server has no built-in tool {tool.name}; the agent is without it.")
        return row

    def _remote_tool(self, tool: FileTool) -> Tool | None:
        about = (tool.metadata_ or {}).get("mcp") or {}
        links = McpTool.objects.filter(tool__name=tool.name).select_related("tool", "server")
        link = next((link for link in links if link.server.server_name == about.get("server_name")), None)
        link = link or links.first()
        if link is not None:
            return link.tool
        server = next((one for one in self.file.mcp_servers if one.server_name == about.get("server_name")), None)
        where = f" {server.server_name} ({server.server_url or server.server_type})" if server else ""
        self.warnings.append(
            f"The tool {tool.name} comes from the MCP server{where}: add that server, then attach the tool."
        )
        return None

    def _blocks(self) -> dict[str, Block]:
        found: dict[str, Block] = {}
        for block in self.file.blocks:
            self.place = f"Memory block {block.label}"
            found[block.id] = create_block(self.actor, block.model_dump(include=_BLOCK_FIELDS, exclude_none=True))
        return found

    def _agent(self, told: FileAgent, tools: Mapping[str, str], blocks: Mapping[str, Block]) -> Agent:
        self.place = f"Agent {told.name or told.id}"
        self._check_names("block", told.block_ids, blocks)
        self._check_names("tool", told.tool_ids, {tool.id for tool in self.file.tools})
        agent = create_agent(
            self.actor,
            fields=self._fields(told),
            tool_ids=[tools[key] for key in told.tool_ids if key in tools],
            block_ids=[blocks[key].pk for key in told.block_ids],
        )
        self._set_variables(agent, told)
        self._set_messages(agent, told)
        if told.group_ids:
            self.warnings.append(f"{agent.name} was in a group of agents, which this server does not have.")
        if told.source_ids:
            self.warnings.append(f"The files of {agent.name} are not with it: attach a folder that has them.")
        return agent

    def _fields(self, told: FileAgent) -> dict[str, Any]:
        fields = {name: value for name in _AGENT_FIELDS if (value := getattr(told, name)) is not None}
        extras = {name: value for name in _EXTRAS if (value := getattr(told, name)) is not None}
        extras |= {"embedding": self.wishes.embedding} if self.wishes.embedding else {}
        extras |= {"project_id": self.wishes.project_id} if self.wishes.project_id else {}
        model = self.wishes.model or told.model
        fields |= {"model": model} if model else {}
        fields |= {"context_window": told.context_window_limit} if told.context_window_limit else {}
        fields |= {"max_output_tokens": told.max_tokens} if told.max_tokens else {}
        return {**fields, "name": self._name(told), "extras": extras}

    def _name(self, told: FileAgent) -> str:
        if self.wishes.name:
            return self.wishes.name
        name = told.name or "Imported agent"
        return f"{name}_copy" if self.wishes.appends_copy else name

    def _set_variables(self, agent: Agent, told: FileAgent) -> None:
        """Secrets that were sent beside the file win; the file's own come without their values, as a rule."""
        shown, secret = (
            told.tool_exec_environment_variables or {},
            {**(told.secrets or {}), **(self.wishes.secrets or {})},
        )
        replace_variables(self.actor, agent, {key: value or "" for key, value in secret.items()})
        for key, value in shown.items():
            if key not in secret:
                set_variable(self.actor, agent, key, value or "", is_secret=False)

    def _set_messages(self, agent: Agent, told: FileAgent) -> None:
        if self.wishes.strips_messages:
            return
        left_out = store_history(agent, without_prompt(told.messages), told.in_context_message_ids)
        if left_out:
            self.warnings.append(f"{left_out} messages of {agent.name} were no longer in its context and are left out.")

    def _check_names(self, noun: str, wanted: list[str], known: Mapping[str, Any] | set[str]) -> None:
        unknown = [key for key in wanted if key not in known]
        if unknown:
            raise AgentFileProblem(f"{self.place} has a {noun} {unknown[0]} that is not in the file.")
