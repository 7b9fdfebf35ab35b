"""Tool rules in plain words, and the small form by which each type is added (rule 4.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from engine.rules import (
    Conditional,
    ConstrainChildTools,
    ContinueLoop,
    ExitLoop,
    MaxCountPerStep,
    ParentLastTool,
    RequiredBeforeExit,
    RequiresApproval,
    RunFirst,
    ToolRule,
)


@dataclass(frozen=True, slots=True)
class RuleForm:
    """The form of one rule type: `lead` stands before the tool, `middle` before what follows it.

    `asks` is what it needs besides the tool: "", children, count or outcomes.
    """

    type: str
    title: str
    lead: str
    middle: str = ""
    asks: str = ""
    end: str = ""


RULE_FORMS: tuple[RuleForm, ...] = (
    RuleForm(ExitLoop.type, "Ends the run", "The run ends after"),
    RuleForm(RunFirst.type, "Comes first", "The first call of a run must be"),
    RuleForm(ConstrainChildTools.type, "Limits what follows", "After", "only these may follow:", "children"),
    RuleForm(ParentLastTool.type, "Must come right before", "Only right after", "may these be called:", "children"),
    RuleForm(Conditional.type, "Its return chooses", "After", "the return chooses what follows:", "outcomes"),
    RuleForm(ContinueLoop.type, "Goes on", "The model is asked again after"),
    RuleForm(RequiredBeforeExit.type, "Required before the end", "The run may not end before"),
    RuleForm(MaxCountPerStep.type, "At most so often", "For one message, call", "at most", "count", "times"),
    RuleForm(RequiresApproval.type, "Asks a person", "A person decides about each call of"),
)


def say(rule: ToolRule) -> str:
    """The rule as one sentence for a person."""
    tool = rule.tool_name
    match rule:
        case ExitLoop():
            return f"The run ends after {tool}."
        case RunFirst():
            given = f", with {json.dumps(dict(rule.args), ensure_ascii=False)}" if rule.args else ""
            return f"The first call of a run must be {tool}{given}."
        case ConstrainChildTools():
            return f"After {tool}, only {listed(rule.children)} may be called."
        case ParentLastTool():
            return f"Only right after {tool} may {listed(rule.children)} be called."
        case Conditional():
            return f"After {tool}, its return chooses: {_outcomes(rule)}."
        case ContinueLoop():
            return f"The model is asked again after {tool}."
        case RequiredBeforeExit():
            return f"The run may not end before {tool} was called."
        case MaxCountPerStep():
            times = "once" if rule.max_count_limit == 1 else f"{rule.max_count_limit} times"
            return f"For one message, {tool} may be called at most {times}."
        case RequiresApproval():
            return f"A person decides about each call of {tool}."
        case _:
            assert_never(rule)


def listed(names: Sequence[str], word: str = "or") -> str:
    """ "a", "a or b", "a, b or c"; "nothing" for none."""
    if not names:
        return "nothing"
    *most, last = names
    return f"{', '.join(most)} {word} {last}" if most else last


def rule_from_form(posted: Mapping[str, Any], children: Sequence[str]) -> dict[str, Any]:
    """The rule in Letta's JSON from its posted form; what is missing in it, the reader of rules will say.

    Outcomes are one line each, "return = tool"; a line "otherwise = tool" names the default.
    """
    rule: dict[str, Any] = {"type": posted.get("type", ""), "tool_name": posted.get("tool_name", "")}
    match posted.get("type"):
        case ConstrainChildTools.type | ParentLastTool.type:
            rule["children"] = list(children)
        case MaxCountPerStep.type:
            count = str(posted.get("max_count_limit", "")).strip()
            rule["max_count_limit"] = int(count) if count.isdigit() else count
        case Conditional.type:
            rule |= _mapping(str(posted.get("outcomes", "")))
        case _:
            pass
    return rule


def _mapping(text: str) -> dict[str, Any]:
    pairs = [line.rpartition("=") for line in text.splitlines() if "=" in line]
    outcomes = {answer.strip(): tool.strip() for answer, _, tool in pairs}
    default = outcomes.pop("otherwise", None)
    return {"child_output_mapping": outcomes, "default_child": default}


def _outcomes(rule: Conditional) -> str:
    parts = [f"“{answer}” leads to {tool}" for answer, tool in rule.child_output_mapping.items()]
    if rule.default_child:
        parts.append(f"anything else to {rule.default_child}")
    elif rule.require_output_mapping:
        parts.append("after anything else nothing may follow")
    return "; ".join(parts) or "anything may follow"
