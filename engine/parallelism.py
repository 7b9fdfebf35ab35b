"""Is the parallel flag in effect, and why: the only place that knows (rules 1.1 and 1.3)."""

from __future__ import annotations

from dataclasses import dataclass

from engine.rules import RequiresApproval, ToolRule
from engine.specs import AgentSpec, ParallelSupport


@dataclass(frozen=True, slots=True)
class EffectiveFlag:
    """The answer and one sentence for a person. `sends_parameter` is whether the provider is told (rule 1.2)."""

    is_on: bool
    reason: str
    sends_parameter: bool


def explain(*, wants_parallel: bool, support: ParallelSupport, rules: tuple[ToolRule, ...]) -> EffectiveFlag:
    """The effective flag of an agent: its switch, and the model's support, and no tool rule but approvals."""
    binding = tuple(rule for rule in rules if not isinstance(rule, RequiresApproval))
    if not wants_parallel:
        sentence, is_on = "Runs one by one: parallel tool calls are off for this agent", False
    elif binding:
        sentence, is_on = f"Runs one by one: this agent has tool rules ({_list_rules(binding)})", False
    elif not support.is_supported:
        sentence, is_on = f"Runs one by one: {support.reason}", False
    else:
        sentence, is_on = "On: the model may ask for several tools at once, parallel-enabled ones run together", True
    return EffectiveFlag(is_on, sentence, support.sends_parameter)


def explain_agent(agent: AgentSpec) -> EffectiveFlag:
    """`explain` for an agent as the engine holds it."""
    return explain(wants_parallel=agent.wants_parallel, support=agent.support, rules=agent.rules)


def _list_rules(rules: tuple[ToolRule, ...]) -> str:
    shown = [f"{rule.label}: {rule.tool_name}" for rule in rules[:3]]
    more = [f"{len(rules) - 3} more"] if len(rules) > 3 else []
    return ", ".join(shown + more)
