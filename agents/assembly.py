"""An agent's rows put together as the engine needs them, read fresh whenever a batch is planned (rule 2.5)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.conf import settings

from agents.models import Agent, Block, ParallelRefusal
from engine.parallelism import EffectiveFlag, explain
from engine.rules import RequiresApproval, ToolRule, parse_rule
from engine.specs import AgentSpec, ModelSettings, ParallelSupport, ToolSpec
from llms.catalogue import describe
from llms.providers import PROVIDERS
from tools.models import Tool

# What other apps add to the system prompt, in this order: each gives a section's text, "" for none.
SYSTEM_SECTIONS: list[Callable[[Agent], str]] = []


def rules_of(agent: Agent) -> tuple[ToolRule, ...]:
    """The agent's tool rules, approvals included."""
    return tuple(parse_rule(rule) for rule in agent.tool_rules)


Refusal = tuple[str, str]
"""A model's handle and the base URL where it refused the parameter."""


def known_refusals() -> frozenset[Refusal]:
    """All refusals so far, for questions about many agents."""
    return frozenset(ParallelRefusal.objects.values_list("handle", "base_url"))


def parallel_support(handle: str, refusals: Collection[Refusal] | None = None) -> ParallelSupport:
    """Whether this model takes several calls at once: the catalogue, and what its endpoint has answered so far, read
    anew unless the `refusals` are given."""
    model = describe(handle)
    name = handle.partition("/")[2] or handle
    if not model.supports_parallel_parameter:
        return ParallelSupport(False, False, f"{name} does not take the parameter parallel_tool_calls")
    if _has_refused(handle, refusals):
        return ParallelSupport(False, False, f"the endpoint of {name} refused the parameter parallel_tool_calls")
    return ParallelSupport(True, True)


def effective_flag(agent: Agent, refusals: Collection[Refusal] | None = None) -> EffectiveFlag:
    """The agent's effective flag and the sentence that every page and the API show (rule 1.3)."""
    support = parallel_support(agent.model, refusals)
    return explain(wants_parallel=agent.parallel_tool_calls, support=support, rules=rules_of(agent))


def agent_spec(agent_id: str) -> AgentSpec:
    """The agent as it is now. Raises Agent.DoesNotExist."""
    return spec_of(Agent.objects.get(pk=agent_id))


def spec_of(agent: Agent) -> AgentSpec:
    """The agent as this row says, saved or not, with its tools and memory as they are now."""
    rules = rules_of(agent)
    approvals = {rule.tool_name for rule in rules if isinstance(rule, RequiresApproval)}
    tools = Tool.objects.filter(agenttool__agent=agent).order_by("agenttool__id")
    return AgentSpec(
        id=agent.id,
        name=agent.name,
        model=agent.model,
        system=compile_system(agent),
        tools=tuple(tool_spec(tool, requires_approval=tool.name in approvals) for tool in tools),
        rules=rules,
        wants_parallel=agent.parallel_tool_calls,
        support=parallel_support(agent.model),
        settings=ModelSettings(
            temperature=agent.temperature,
            max_output_tokens=agent.max_output_tokens,
            reasoning_effort=agent.reasoning_effort or None,
            thinking_budget=agent.thinking_budget,
        ),
    )


def tool_spec(tool: Tool, *, requires_approval: bool = False) -> ToolSpec:
    """A tool's row as the planner and executor need it."""
    return ToolSpec(
        id=tool.id,
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters,
        is_parallel=tool.enable_parallel_execution,
        requires_approval=requires_approval,
        max_concurrency=tool.max_concurrency,
        lock_group=tool.lock_group,
        timeout_seconds=tool.timeout_seconds or settings.ADE_TOOL_TIMEOUT,
        return_char_limit=tool.return_char_limit,
        is_safe_to_retry=tool.safe_to_retry,
    )


def compile_system(agent: Agent) -> str:
    """The system prompt: the instructions, the core memory blocks as XML-like sections, then what other apps add."""
    sections = [_memory(agent), *(section(agent) for section in SYSTEM_SECTIONS)]
    return "\n\n".join(part for part in [agent.system, *sections] if part)


def _memory(agent: Agent) -> str:
    blocks = list(Block.objects.filter(agentblock__agent=agent).order_by("agentblock__id"))
    if not blocks:
        return ""
    return "\n".join(["<memory_blocks>", *(_section(block) for block in blocks), "</memory_blocks>"])


def _section(block: Block) -> str:
    about = f"<description>{block.description}</description>\n" if block.description else ""
    return f"<{block.label}>\n{about}<value>\n{block.value}\n</value>\n</{block.label}>"


def remember_refusal(handle: str) -> None:
    """This model's endpoint answered 400 to `parallel_tool_calls`: it is not sent there again (rule 1.2)."""
    ParallelRefusal.objects.get_or_create(handle=handle, base_url=_base_url(handle))


def _has_refused(handle: str, refusals: Collection[Refusal] | None) -> bool:
    key = (handle, _base_url(handle))
    if refusals is not None:
        return key in refusals
    return ParallelRefusal.objects.filter(handle=key[0], base_url=key[1]).exists()


def _base_url(handle: str) -> str:
    """Where this model is asked now: another endpoint may well take the parameter."""
    provider = PROVIDERS.get(handle.partition("/")[0])
    return getattr(settings, provider.base_url_setting, "") if provider and provider.base_url_setting else ""
