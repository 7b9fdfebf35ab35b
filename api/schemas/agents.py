"""Agents as the SDKs know them."""

from __future__ import annotations

from typing import Any

from ninja import Schema

from agents.assembly import effective_flag
from agents.memory import blocks_of
from agents.models import Agent
from api.schemas.blocks import NewBlock, block_state
from api.schemas.dates import entity_date
from api.schemas.messages import pending_request
from api.schemas.models import known_to_sdks
from api.schemas.tools import tool_state
from api.schemas.variables import variable_states
from llms.catalogue import describe
from runs.dispatch import pending_calls, pending_run
from runs.models import Message
from tools.models import Tool

# Sent under another name than the one that Tandem keeps them under.
_RENAMED = {"context_window_limit": "context_window", "max_tokens": "max_output_tokens"}
_OURS = (
    "name", "description", "system", "tags", "agent_type", "model", "parallel_tool_calls", "temperature", "tool_rules",
    "model_settings", "llm_config", "metadata", "timezone",
)  # fmt: skip
# Accepted, kept and given back; nothing in Tandem acts on them.
_EXTRAS = (
    "embedding", "embedding_config", "compaction_settings", "response_format", "message_buffer_autoclear",
    "enable_sleeptime", "hidden", "project_id", "template_id", "base_template_id", "max_files_open",
    "per_file_view_window_char_limit",
)  # fmt: skip


class AgentFields(Schema):
    """What can be said about an agent. What is not sent stays; what is unknown is ignored."""

    name: str | None = None
    description: str | None = None
    system: str | None = None
    tags: list[str] | None = None
    agent_type: str | None = None
    model: str | None = None
    llm_config: dict[str, Any] | None = None
    model_settings: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    context_window_limit: int | None = None
    max_tokens: int | None = None
    tool_rules: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = None
    timezone: str | None = None
    tool_ids: list[str] | None = None
    block_ids: list[str] | None = None
    secrets: dict[str, str] | None = None
    tool_exec_environment_variables: dict[str, str] | None = None
    embedding: str | None = None
    embedding_config: dict[str, Any] | None = None
    compaction_settings: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    hidden: bool | None = None
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None

    def sent(self) -> dict[str, Any]:
        """The agent's fields that were really sent, under our names; without tools and blocks."""
        given = self.model_dump(exclude_unset=True)
        fields = {name: given[name] for name in _OURS if name in given}
        fields |= {ours: given[theirs] for theirs, ours in _RENAMED.items() if theirs in given}
        extras = {name: given[name] for name in _EXTRAS if name in given}
        return {**fields, "extras": extras} if extras else fields


class NewAgent(AgentFields):
    """An agent to make. `tools` are names. `include_base_tools` is accepted: this version has none to attach."""

    tools: list[str] | None = None
    memory_blocks: list[NewBlock] | None = None
    include_base_tools: bool | None = None


def agent_state(
    agent: Agent, *, with_history: bool = True, with_pending_approval: bool = False, with_secrets: bool = False
) -> dict[str, Any]:
    """An AgentState. `with_history` gives the ids of all its messages, left out of lists; `with_secrets` the values of
    its secrets."""
    provider, _, model = agent.model.partition("/")
    blocks = [block_state(block) for block in blocks_of(agent)]
    flag = effective_flag(agent)
    extras: dict[str, Any] = agent.extras
    variables = variable_states(agent, with_secrets=with_secrets)
    last_run = agent.runs.exclude(ended_at=None).order_by("-ended_at").first()
    return {
        "id": agent.pk,
        "name": agent.name,
        "description": agent.description or None,
        "agent_type": agent.agent_type,
        "system": agent.system,
        "model": agent.model,
        "llm_config": _llm_config(agent, provider, model),
        "model_settings": _model_settings(agent, provider),
        "parallel_execution": {"is_on": flag.is_on, "reason": flag.reason},
        "blocks": blocks,
        "memory": {"blocks": blocks, "file_blocks": [], "agent_type": agent.agent_type},
        "tools": [tool_state(tool) for tool in attached_tools(agent)],
        "tool_rules": agent.tool_rules,
        "tags": agent.tags,
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "sources": [],
        "identity_ids": [],
        "identities": [],
        "secrets": variables,
        "tool_exec_environment_variables": variables,
        "embedding": extras.get("embedding"),
        "embedding_config": extras.get("embedding_config"),
        "compaction_settings": extras.get("compaction_settings"),
        "response_format": extras.get("response_format"),
        "message_buffer_autoclear": extras.get("message_buffer_autoclear", False),
        "enable_sleeptime": extras.get("enable_sleeptime"),
        "hidden": extras.get("hidden"),
        "project_id": extras.get("project_id"),
        "template_id": extras.get("template_id"),
        "base_template_id": extras.get("base_template_id"),
        "max_files_open": extras.get("max_files_open"),
        "per_file_view_window_char_limit": extras.get("per_file_view_window_char_limit"),
        "deployment_id": None,
        "entity_id": None,
        "multi_agent_group": None,
        "managed_group": None,
        "pending_approval": _pending_approval(agent) if with_pending_approval else None,
        "last_run_completion": entity_date(last_run.ended_at) if last_run else None,
        "last_run_duration_ms": _milliseconds(last_run) if last_run else None,
        "last_stop_reason": last_run.stop_reason if last_run else None,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(agent.created_at),
        "updated_at": entity_date(agent.updated_at),
        **({"message_ids": _message_ids(agent)} if with_history else {}),
    }


def attached_tools(agent: Agent) -> list[Tool]:
    """The agent's tools in the order they were attached."""
    return list(Tool.objects.filter(agenttool__agent=agent).order_by("agenttool__id"))


def _llm_config(agent: Agent, provider: str, model: str) -> dict[str, Any]:
    """What was sent, and over it what is true (rule 1.4)."""
    return {
        **agent.llm_config,
        "handle": agent.model,
        "model": model,
        "model_endpoint_type": known_to_sdks(provider),
        "provider_name": provider,
        "provider_category": "base",
        "context_window": agent.context_window or describe(agent.model).context_window,
        "max_tokens": agent.max_output_tokens,
        "temperature": agent.temperature,
        "reasoning_effort": agent.reasoning_effort or None,
        "max_reasoning_tokens": agent.thinking_budget or 0,
        "parallel_tool_calls": agent.parallel_tool_calls,
    }


def _model_settings(agent: Agent, provider: str) -> dict[str, Any]:
    """What was sent, and over it what is true (rule 1.4)."""
    true: dict[str, Any] = {
        "provider_type": known_to_sdks(provider),
        "parallel_tool_calls": agent.parallel_tool_calls,
        "temperature": agent.temperature,
        "max_output_tokens": agent.max_output_tokens,
    }
    sent: dict[str, Any] = agent.model_settings
    if agent.thinking_budget is not None:
        true["thinking"] = {**(sent.get("thinking") or {}), "budget_tokens": agent.thinking_budget}
    if agent.reasoning_effort and provider == "anthropic":
        true["effort"] = agent.reasoning_effort
    elif agent.reasoning_effort:
        true["reasoning"] = {**(sent.get("reasoning") or {}), "reasoning_effort": agent.reasoning_effort}
    return {**sent, **true}


def _pending_approval(agent: Agent) -> dict[str, Any] | None:
    waiting = pending_run(agent)
    return None if waiting is None else pending_request(pending_calls(waiting))


def _message_ids(agent: Agent) -> list[str]:
    rows = Message.objects.filter(agent=agent).exclude(position=None).order_by("position")
    return list(rows.values_list("pk", flat=True))


def _milliseconds(run: Any) -> int:
    return int((run.ended_at - run.created_at).total_seconds() * 1000)
