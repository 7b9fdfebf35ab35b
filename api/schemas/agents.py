"""Agents as the SDKs know them, any number of them in the same few queries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch, QuerySet, prefetch_related_objects

from agents.assembly import Refusal, effective_flag, known_refusals
from agents.model_shapes import llm_config, model_settings
from agents.models import Agent, AgentBlock, AgentTool, Identity
from api.schemas.blocks import block_state
from api.schemas.dates import entity_date
from api.schemas.folders import file_block_state, folder_state
from api.schemas.identities import identity_state, with_connections
from api.schemas.messages import approval_request
from api.schemas.people import makers
from api.schemas.tools import tool_state
from api.schemas.variables import variable_states
from folders.models import FileAgent, FolderAgent
from runs.by_agent import last_runs, waiting_messages
from runs.models import Message, Run

# What `include_relationships` can leave out, and what is then empty.
_RELATIONS = {
    "tools": ("tools",),
    "memory": ("blocks",),
    "tags": ("tags",),
    "identity_ids": ("identity_ids", "identities"),
    "sources": ("sources",),
    "tool_exec_environment_variables": ("tool_exec_environment_variables", "secrets"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `history` are the ids of all messages, left out of lists; `secrets` the values of variables
    in clear; `relations` None means all of them."""

    history: bool = True
    pending_approval: bool = False
    secrets: bool = False
    relations: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class _Facts:
    """What other rows say about the agents, by agent's id."""

    refusals: Collection[Refusal]
    last_runs: dict[str, Run]
    waiting: dict[str, Message] = field(default_factory=dict)


def agent_state(
    agent: Agent, *, with_history: bool = True, with_pending_approval: bool = False, with_secrets: bool = False
) -> dict[str, Any]:
    """An AgentState. `with_history` gives the ids of all its messages; `with_secrets` the values of its secrets."""
    return agent_states([agent], Wanted(with_history, with_pending_approval, with_secrets))[0]


def agent_states(agents: Sequence[Agent], wanted: Wanted) -> list[dict[str, Any]]:
    """An AgentState of each, in their order; the number of queries does not grow with them, but for the history's."""
    prefetch_related_objects(
        agents,
        Prefetch("agenttool_set", AgentTool.objects.select_related("tool")),
        Prefetch("agentblock_set", AgentBlock.objects.select_related("block")),
        Prefetch("identities", with_connections(Identity.objects.all())),
        Prefetch("folder_links", FolderAgent.objects.select_related("folder")),
        Prefetch("file_views", _open_files()),
        "variables",
    )
    waiting = waiting_messages(agents) if wanted.pending_approval else {}
    facts = _Facts(known_refusals(), last_runs(agents), waiting)
    return [_state(agent, facts, wanted) for agent in agents]


def _state(agent: Agent, facts: _Facts, wanted: Wanted) -> dict[str, Any]:
    blocks = [block_state(attachment.block) for attachment in agent.agentblock_set.all()]
    identities = [identity_state(identity) for identity in agent.identities.all()]
    variables = variable_states(agent, with_secrets=wanted.secrets)
    file_blocks = [file_block_state(view) for view in agent.file_views.all()]
    flag = effective_flag(agent, facts.refusals)
    related = {
        "blocks": blocks,
        "tools": [tool_state(attachment.tool) for attachment in agent.agenttool_set.all()],
        "tags": agent.tags,
        "sources": [folder_state(link.folder) for link in agent.folder_links.all()],
        "identity_ids": [identity["id"] for identity in identities],
        "identities": identities,
        "secrets": variables,
        "tool_exec_environment_variables": variables,
    }
    related |= {name: [] for name in _left_out(wanted.relations)}
    return {
        "id": agent.pk,
        "name": agent.name,
        "description": agent.description or None,
        "agent_type": agent.agent_type,
        "system": agent.system,
        "model": agent.model,
        "llm_config": llm_config(agent),
        "model_settings": model_settings(agent),
        "parallel_execution": {"is_on": flag.is_on, "reason": flag.reason},
        "memory": {"blocks": related["blocks"], "file_blocks": file_blocks, "agent_type": agent.agent_type},
        **related,
        "tool_rules": agent.tool_rules,
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        **_extras(agent),
        "deployment_id": None,
        "entity_id": None,
        "multi_agent_group": None,
        "managed_group": None,
        "pending_approval": _pending_approval(facts.waiting.get(agent.pk)),
        **_last_run(facts.last_runs.get(agent.pk)),
        **makers(agent),
        "created_at": entity_date(agent.created_at),
        "updated_at": entity_date(agent.updated_at),
        **({"message_ids": _message_ids(agent)} if wanted.history else {}),
    }


def _open_files() -> QuerySet[FileAgent]:
    """Only these are in an agent's memory; there may be thousands of others."""
    return FileAgent.objects.filter(is_open=True).select_related("file__folder").defer("file__content")


def _left_out(relations: Collection[str] | None) -> list[str]:
    if relations is None:
        return []
    return [name for relation, names in _RELATIONS.items() if relation not in relations for name in names]


def _extras(agent: Agent) -> dict[str, Any]:
    """What clients sent and Tandem does not act on."""
    extras: dict[str, Any] = agent.extras
    kept = (
        "embedding", "embedding_config", "compaction_settings", "response_format", "enable_sleeptime", "hidden",
        "project_id", "template_id", "base_template_id", "max_files_open", "per_file_view_window_char_limit",
    )  # fmt: skip
    return {
        **{name: extras.get(name) for name in kept},
        "message_buffer_autoclear": extras.get("message_buffer_autoclear") or False,
    }


def _last_run(run: Run | None) -> dict[str, Any]:
    if run is None or run.ended_at is None:
        return dict.fromkeys(("last_run_completion", "last_run_duration_ms", "last_stop_reason"))
    return {
        "last_run_completion": entity_date(run.ended_at),
        "last_run_duration_ms": int((run.ended_at - run.created_at).total_seconds() * 1000),
        "last_stop_reason": run.stop_reason,
    }


def _pending_approval(row: Message | None) -> dict[str, Any] | None:
    requests = approval_request(row) if row else []
    return requests[0] if requests else None


def _message_ids(agent: Agent) -> list[str]:
    rows = Message.objects.filter(agent=agent, conversation=None).exclude(position=None).order_by("position")
    return list(rows.values_list("pk", flat=True))
