"""An agent's tool rules as they are stored: a list in Letta's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agents.problems import AgentProblem
from engine.rules import RequiresApproval, RuleError, dump_rule, parse_rule

StoredRule = dict[str, Any]


def read_rules(rules: Iterable[Mapping[str, Any]]) -> list[StoredRule]:
    """The rules as clients sent them, checked and written our way. Raises AgentProblem."""
    try:
        return [dump_rule(parse_rule(rule)) for rule in rules]
    except RuleError as error:
        raise AgentProblem(str(error)) from error


def approval_rule(tool_name: str) -> StoredRule:
    """The rule that a person decides about each call of the tool."""
    return dump_rule(RequiresApproval(tool_name))


def without_approval(rules: Iterable[StoredRule], tool_name: str) -> list[StoredRule]:
    """The rules without the tool's approval."""
    is_its = {"type": RequiresApproval.type, "tool_name": tool_name}.items()
    return [rule for rule in rules if not is_its <= rule.items()]
