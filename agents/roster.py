"""The roster of agents: here and only here an agent is made, changed and deleted, whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain, save_changes
from agents.base_tools import base_rules, base_tools
from agents.identities import identities_called
from agents.memory import attach_blocks, make_blocks
from agents.model_choice import HandleProblem, settle
from agents.models import Agent, AgentTool, Block, Identity
from agents.problems import AgentProblem, UnknownHandle
from agents.tool_rules import approval_rule, read_rules, without_approval
from tools.built_in import ensure
from tools.models import Tool

__all__ = ["AgentProblem", "UnknownHandle"]

DEFAULT_SYSTEM = "You are a helpful assistant. Use your tools when they help, several at once where they do not depend on each other."
CHANGEABLE = frozenset(
    {
        "name",
        "description",
        "system",
        "tags",
        "agent_type",
        "model",
        "parallel_tool_calls",
        "temperature",
        "context_window",
        "max_output_tokens",
        "reasoning_effort",
        "thinking_budget",
        "model_settings",
        "llm_config",
        "tool_rules",
        "extras",
        "metadata",
        "timezone",
    }
)
# What clients send into these is added to what is there: PATCH leaves unsent fields alone, inside too.
_MERGED = ("model_settings", "llm_config", "extras")


def create_agent(
    actor: Actor,
    *,
    fields: Mapping[str, Any],
    tool_ids: Iterable[str] = (),
    tool_names: Iterable[str] = (),
    blocks: Iterable[Mapping[str, Any]] = (),
    block_ids: Iterable[str] = (),
    identity_ids: Iterable[str] = (),
    include_base_tools: bool = False,
    include_base_tool_rules: bool | None = False,
) -> Agent:
    """A new agent with these tools and memory blocks. Without a name it gets one, without a system prompt ours.

    `fields` may hold `model_settings` and `llm_config` as clients send them (rule 1.4). `include_base_tools` attaches
    the built-in tools of the agent's type as well; for their rules see `base_rules`. Raises AgentProblem.
    """
    given = _settled(fields)
    if not given.get("model"):
        raise AgentProblem('Say which model: model="openai/gpt-4.1", "anthropic/…" or "demo/planner".')
    with transaction.atomic():
        tools = _tools_called(tool_ids, tool_names)
        agent = Agent(system=DEFAULT_SYSTEM, created_by=actor.person, updated_by=actor.person)
        assign(agent, given)
        agent.name = agent.name or f"Agent {Agent.objects.count() + 1}"
        if include_base_tools:
            tools = list(dict.fromkeys([*tools, *base_tools(agent.agent_type)]))
        agent.tool_rules += base_rules(agent.agent_type, tools, agent.tool_rules, include_base_tool_rules)
        agent.tool_rules = _rules_with_approvals(agent.tool_rules, tools)
        _check(agent)
        agent.save(force_insert=True)
        _attach_all(agent, tools)
        attach_blocks(agent, [*make_blocks(blocks), *_blocks_called(block_ids)])
        agent.identities.set(identities_called(identity_ids))
        activity.note(actor, "created", target_id=agent.pk, target_name=agent.name)
    return agent


def change_agent(
    actor: Actor,
    agent: Agent,
    changes: Mapping[str, Any],
    *,
    tool_ids: Iterable[str] | None = None,
    block_ids: Iterable[str] | None = None,
    identity_ids: Iterable[str] | None = None,
) -> Agent:
    """The agent with only these fields changed. `tool_ids`, `block_ids` and `identity_ids`, where given, replace what
    is attached.

    Works on the agent as it is stored now. Raises AgentProblem, Agent.DoesNotExist.
    """
    given = _settled(changes)
    with transaction.atomic():
        stored = _stored(agent)
        merged = {name: {**getattr(stored, name), **given[name]} for name in _MERGED if given.get(name)}
        changed = assign(stored, {**given, **merged})
        if tool_ids is not None:
            changed |= _replace_tools(stored, _tools_called(tool_ids, ()))
        if block_ids is not None:
            changed |= _replace_blocks(stored, _blocks_called(block_ids))
        if identity_ids is not None:
            changed |= _replace_identities(stored, identities_called(identity_ids))
        if changed:
            _save(actor, stored, "changed", changed)
    return stored


def delete_agent(actor: Actor, agent: Agent) -> None:
    """The agent is gone, with its history and runs. Its tools and blocks stay."""
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=agent.pk, target_name=agent.name)
        agent.delete()


def attach_tool(actor: Actor, agent: Agent, tool: Tool) -> Agent:
    """The tool is attached; where it asks for approval by default, the agent gets that rule. Twice is once."""
    with transaction.atomic():
        stored = _stored(agent)
        before = _tool_names(stored)
        if not AgentTool.objects.get_or_create(agent=stored, tool=tool)[1]:
            return stored
        changed = assign(stored, {"tool_rules": _rules_with_approvals(stored.tool_rules, [tool])})
        _save(actor, stored, "attached a tool", {**changed, "tools": [before, _tool_names(stored)]})
    return stored


def detach_tool(actor: Actor, agent: Agent, tool: Tool) -> Agent:
    """The tool is no longer attached, and its approval rule is gone with it."""
    with transaction.atomic():
        stored = _stored(agent)
        before = _tool_names(stored)
        if AgentTool.objects.filter(agent=stored, tool=tool).delete()[0] == 0:
            return stored
        changed = assign(stored, {"tool_rules": without_approval(stored.tool_rules, tool.name)})
        _save(actor, stored, "detached a tool", {**changed, "tools": [before, _tool_names(stored)]})
    return stored


def set_approval(actor: Actor, agent: Agent, tool_name: str, required: bool) -> Agent:
    """Whether a person decides about each call of this tool. Raises AgentProblem where it is not attached."""
    with transaction.atomic():
        stored = _stored(agent)
        if not stored.tools.filter(name=tool_name).exists():
            raise AgentProblem(f"{stored.name} has no tool called {tool_name}; attach it first.")
        rules = without_approval(stored.tool_rules, tool_name)
        changed = assign(stored, {"tool_rules": [*rules, approval_rule(tool_name)] if required else rules})
        if changed:
            _save(actor, stored, "changed", changed)
    return stored


def follow_rename(old_name: str, new_name: str) -> None:
    """A tool was renamed: the rules that name it, its approval above all, name it as it is called now."""
    for agent in Agent.objects.select_for_update(no_key=True).filter(tools__name=new_name):
        renamed = [_renamed(rule, old_name, new_name) for rule in agent.tool_rules]
        if assign(agent, {"tool_rules": renamed}):
            agent.save(update_fields=["tool_rules", "updated_at"])


def _renamed(part: Any, old_name: str, new_name: str) -> Any:
    """A rule with every tool name in it exchanged; a rule's other texts (its type) are never tool names of a library."""
    if isinstance(part, dict):
        return {key: part[key] if key == "type" else _renamed(part[key], old_name, new_name) for key in part}
    if isinstance(part, list):
        return [_renamed(item, old_name, new_name) for item in part]
    return new_name if part == old_name else part


def _settled(fields: Mapping[str, Any]) -> dict[str, Any]:
    unknown = fields.keys() - CHANGEABLE
    if unknown:
        raise AgentProblem(f"An agent has no field {', '.join(sorted(unknown))}.")
    try:
        given = settle(fields)
    except HandleProblem as problem:
        raise (UnknownHandle if problem.is_unknown else AgentProblem)(str(problem)) from problem
    if given.get("tool_rules") is not None:
        given["tool_rules"] = read_rules(given["tool_rules"])
    return given


def _stored(agent: Agent) -> Agent:
    return Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)


def _check(agent: Agent) -> None:
    try:
        agent.full_clean()
    except ValidationError as error:
        raise AgentProblem(explain(error)) from error


def _save(actor: Actor, agent: Agent, verb: str, changes: Mapping[str, list[Any]]) -> None:
    columns = [name for name in changes if name in CHANGEABLE]
    agent.updated_by = actor.person
    try:
        save_changes(agent, [*columns, "updated_by"])
    except ValidationError as error:
        raise AgentProblem(explain(error)) from error
    activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes=changes)


def _tool_names(agent: Agent) -> list[str]:
    attached = AgentTool.objects.filter(agent=agent).select_related("tool")
    return [attachment.tool.name for attachment in attached]


def _tools_called(tool_ids: Iterable[str], tool_names: Iterable[str]) -> list[Tool]:
    """The tools of these ids and then names, each once, in this order. Raises AgentProblem for unknown ones."""
    ids, names = list(dict.fromkeys(tool_ids)), list(dict.fromkeys(tool_names))
    by_id = Tool.objects.in_bulk(ids)
    by_name = {tool.name: tool for tool in ensure(names)} | Tool.objects.in_bulk(names, field_name="name")
    unknown = [key for key in ids if key not in by_id] + [key for key in names if key not in by_name]
    if unknown:
        raise AgentProblem(f"Unknown tools: {', '.join(unknown)}.")
    return list(dict.fromkeys([*(by_id[key] for key in ids), *(by_name[key] for key in names)]))


def _blocks_called(block_ids: Iterable[str]) -> list[Block]:
    ids = list(dict.fromkeys(block_ids))
    found = Block.objects.in_bulk(ids)
    unknown = [key for key in ids if key not in found]
    if unknown:
        raise AgentProblem(f"Unknown blocks: {', '.join(unknown)}.")
    return [found[key] for key in ids]


def _rules_with_approvals(rules: list[dict[str, Any]], tools: Iterable[Tool]) -> list[dict[str, Any]]:
    wanted = [approval_rule(tool.name) for tool in tools if tool.default_requires_approval]
    return [*rules, *(rule for rule in wanted if rule not in rules)]


def _attach_all(agent: Agent, tools: Sequence[Tool]) -> None:
    AgentTool.objects.bulk_create([AgentTool(agent=agent, tool=tool) for tool in tools])


def _replace_tools(agent: Agent, tools: Sequence[Tool]) -> dict[str, list[Any]]:
    before = _tool_names(agent)
    after = [tool.name for tool in tools]
    if before == after:
        return {}
    AgentTool.objects.filter(agent=agent).delete()
    _attach_all(agent, tools)
    rules = agent.tool_rules
    for name in set(before) - set(after):
        rules = without_approval(rules, name)
    new = [tool for tool in tools if tool.name not in before]
    return {**assign(agent, {"tool_rules": _rules_with_approvals(rules, new)}), "tools": [before, after]}


def _replace_blocks(agent: Agent, blocks: Sequence[Block]) -> dict[str, list[Any]]:
    before = list(agent.blocks.order_by("agentblock__id"))
    if before == list(blocks):
        return {}
    agent.blocks.clear()
    attach_blocks(agent, blocks)
    return {"blocks": [[block.label for block in before], [block.label for block in blocks]]}


def _replace_identities(agent: Agent, identities: Sequence[Identity]) -> dict[str, list[Any]]:
    before = set(agent.identities.all())
    if before == set(identities):
        return {}
    agent.identities.set(identities)
    return {"identities": [sorted(one.name for one in before), sorted(one.name for one in identities)]}
