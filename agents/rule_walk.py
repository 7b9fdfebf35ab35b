"""A walk through an agent's tool rules: after these calls, what may come next? Asked of the engine's own solver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.rule_solver import PastCall, allowance, is_terminal, missing_before_exit
from engine.rules import Conditional, ToolRule
from engine.specs import Outcome

MOST_STEPS = 30
_ANYTHING_ELSE = "anything else"


@dataclass(frozen=True, slots=True)
class Way:
    """A call that may come next; `step` names it in the page's address, `returns` the return it is imagined to give."""

    step: str
    name: str
    returns: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the walk stands. `must_call`: the model is made to call one of the ways; `is_over`: the run has ended."""

    steps: tuple[Way, ...]
    ways: tuple[Way, ...]
    refused: tuple[str, ...]
    must_call: bool
    is_over: bool
    reason: str
    missing: tuple[str, ...]


def walk(rules: Sequence[ToolRule], tool_names: Sequence[str], steps: Sequence[str]) -> Place:
    """Where these steps ("search" or "search=found") lead. Steps that the rules do not allow end the walk there."""
    taken: list[Way] = []
    for step in steps[:MOST_STEPS]:
        way = next((way for way in _ways(rules, tool_names, taken) if way.step == step), None)
        if way is None:
            break
        taken.append(way)
    return _place(rules, tool_names, tuple(taken))


def _place(rules: Sequence[ToolRule], tool_names: Sequence[str], taken: tuple[Way, ...]) -> Place:
    history = _history(taken)
    allowed = allowance(rules, tool_names, history)
    ways = _ways(rules, tool_names, taken)
    is_over = _is_over(rules, taken)
    return Place(
        steps=taken,
        ways=tuple(ways),
        refused=() if is_over else tuple(name for name in tool_names if name not in allowed.allowed),
        must_call=allowed.is_forced and not is_over,
        is_over=is_over,
        reason="" if is_over else allowed.reason,
        missing=missing_before_exit(rules, history, tool_names),
    )


def _ways(rules: Sequence[ToolRule], tool_names: Sequence[str], taken: Sequence[Way]) -> list[Way]:
    if _is_over(rules, taken):
        return []
    allowed = allowance(rules, tool_names, _history(taken)).allowed
    return [way for name in allowed for way in _ways_of(rules, name)]


def _ways_of(rules: Sequence[ToolRule], name: str) -> list[Way]:
    """One way for a tool, or one for each return that a rule tells apart."""
    answers = [
        answer
        for rule in rules
        if isinstance(rule, Conditional) and rule.tool_name == name
        for answer in rule.child_output_mapping
    ]
    if not answers:
        return [Way(name, name)]
    return [Way(f"{name}={answer}", name, answer) for answer in dict.fromkeys([*answers, _ANYTHING_ELSE])]


def _is_over(rules: Sequence[ToolRule], taken: Sequence[Way]) -> bool:
    return bool(taken) and is_terminal(rules, taken[-1].name)


def _history(taken: Sequence[Way]) -> tuple[PastCall, ...]:
    return tuple(PastCall(way.name, way.returns, Outcome.SUCCESS) for way in taken)
