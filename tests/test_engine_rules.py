"""Tool rules: their JSON and what they allow next (section 4)."""

from __future__ import annotations

from typing import Any

import pytest

from engine.rule_solver import (
    VIOLATION_PREFIX,
    PastCall,
    allowance,
    is_terminal,
    missing_before_exit,
    prefilled,
    prescribable,
    violation,
)
from engine.rules import (
    ChildArguments,
    Conditional,
    ConstrainChildTools,
    ContinueLoop,
    ExitLoop,
    MaxCountPerStep,
    ParentLastTool,
    RequiredBeforeExit,
    RequiresApproval,
    RuleError,
    RunFirst,
    ToolRule,
    dump_rule,
    parse_rule,
)
from engine.specs import Outcome

TOOLS = ("search", "read", "write", "send")


def past(*names: str, text: str = "ok") -> tuple[PastCall, ...]:
    return tuple(PastCall(name, text, Outcome.SUCCESS) for name in names)


JSON_OF_RULES: list[tuple[dict[str, Any], ToolRule]] = [
    ({"type": "run_first", "args": None}, RunFirst("t")),
    ({"type": "run_first", "args": {"q": [1]}}, RunFirst("t", {"q": [1]})),
    (
        {"type": "constrain_child_tools", "children": ["a"], "child_arg_nodes": None},
        ConstrainChildTools("t", ("a",)),
    ),
    (
        {"type": "constrain_child_tools", "children": ["a"], "child_arg_nodes": [{"name": "a", "args": {"x": 1}}]},
        ConstrainChildTools("t", ("a",), (ChildArguments("a", {"x": 1}),)),
    ),
    ({"type": "parent_last_tool", "children": ["a", "b"]}, ParentLastTool("t", ("a", "b"))),
    (
        {
            "type": "conditional",
            "child_output_mapping": {"true": "a"},
            "default_child": "b",
            "require_output_mapping": True,
        },
        Conditional("t", {"true": "a"}, "b", True),
    ),
    ({"type": "exit_loop"}, ExitLoop("t")),
    ({"type": "continue_loop"}, ContinueLoop("t")),
    ({"type": "required_before_exit"}, RequiredBeforeExit("t")),
    ({"type": "max_count_per_step", "max_count_limit": 2}, MaxCountPerStep("t", 2)),
    ({"type": "requires_approval"}, RequiresApproval("t")),
]


@pytest.mark.parametrize(("json", "rule"), JSON_OF_RULES)
def test_each_rule_is_read_and_written_as_the_letta_api_does(json: dict[str, Any], rule: ToolRule) -> None:
    whole = {"tool_name": "t", "prompt_template": None, **json}
    assert parse_rule(whole) == rule
    assert dump_rule(rule) == whole


def test_optional_keys_may_be_left_out_and_unknown_ones_are_ignored() -> None:
    rule = parse_rule(
        {"type": "conditional", "tool_name": "t", "child_output_mapping": {}, "id": "x", "prompt_template": "p"}
    )
    assert rule == Conditional("t", {})


@pytest.mark.parametrize(
    ("json", "says"),
    [
        ({"tool_name": "t"}, "Unknown tool rule type None"),
        ({"tool_name": "t", "type": "nope"}, "use one of run_first"),
        ({"type": "exit_loop"}, "tool_name: field required"),
        ({"type": "exit_loop", "tool_name": ""}, "must not be empty"),
        (
            {"type": "constrain_child_tools", "tool_name": "t", "children": "a"},
            "children: input should be a valid list",
        ),
        ({"type": "max_count_per_step", "tool_name": "t", "max_count_limit": -1}, "max_count_limit"),
        (
            {"type": "constrain_child_tools", "tool_name": "t", "children": [], "child_arg_nodes": [{}]},
            "child_arg_nodes.0.name",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_what_is_wrong(json: dict[str, Any], says: str) -> None:
    with pytest.raises(RuleError, match=says):
        parse_rule(json)


def test_without_rules_everything_is_allowed_and_nothing_forced() -> None:
    answer = allowance((), TOOLS, past("search"))
    assert (answer.allowed, answer.is_forced, answer.reason) == (TOOLS, False, "")


def test_run_first_forces_the_first_call_and_only_that() -> None:
    rules = (RunFirst("read"), RunFirst("write"))
    first = allowance(rules, TOOLS, ())
    assert (first.allowed, first.is_forced) == (("read", "write"), True)
    assert "run_first" in first.reason
    assert allowance(rules, TOOLS, past("read")).allowed == TOOLS


def test_run_first_of_a_detached_tool_has_no_effect() -> None:
    assert allowance((RunFirst("gone"),), TOOLS, ()).allowed == TOOLS


def test_children_are_forced_right_after_their_parent() -> None:
    rules = (ConstrainChildTools("search", ("write", "read")),)
    after = allowance(rules, TOOLS, past("search"))
    assert (after.allowed, after.is_forced) == (("read", "write"), True)
    assert allowance(rules, TOOLS, past("search", "read")).allowed == TOOLS


def test_two_child_rules_of_one_parent_leave_what_both_allow() -> None:
    rules = (ConstrainChildTools("search", ("read", "write")), ConstrainChildTools("search", ("write", "send")))
    assert allowance(rules, TOOLS, past("search")).allowed == ("write",)


def test_no_child_means_no_tool_and_nothing_forced() -> None:
    after = allowance((ConstrainChildTools("search", ()),), TOOLS, past("search"))
    assert (after.allowed, after.is_forced) == ((), False)


def test_children_of_parent_last_may_come_only_right_after_it() -> None:
    rules = (ParentLastTool("search", ("read",)), ParentLastTool("write", ("read",)))
    assert "read" not in allowance(rules, TOOLS, ()).allowed
    assert "read" not in allowance(rules, TOOLS, past("search", "send")).allowed
    for parent in ("search", "write"):
        after = allowance(rules, TOOLS, past("send", parent))
        assert (after.allowed, after.is_forced) == (TOOLS, False)


@pytest.mark.parametrize(
    ("text", "follows"),
    [
        ("yes", ("read",)),
        ('"yes"', ("read",)),
        ("true", ("write",)),
        ("True", ("write",)),
        ("1", ("send",)),
        ("1.0", ("send",)),
        ("[" * 100_000, ("search",)),
        ("no", ("search",)),
    ],
)
def test_a_return_chooses_what_follows(text: str, follows: tuple[str, ...]) -> None:
    rules = (Conditional("search", {"yes": "read", "true": "write", "1": "send"}, default_child="search"),)
    after = allowance(rules, TOOLS, past("search", text=text))
    assert (after.allowed, after.is_forced) == (follows, True)


def test_an_unmapped_return_frees_all_or_nothing() -> None:
    assert allowance((Conditional("search", {"a": "read"}),), TOOLS, past("search")).allowed == TOOLS
    strict = Conditional("search", {"a": "read"}, require_output_mapping=True)
    assert allowance((strict,), TOOLS, past("search")).allowed == ()


def test_a_count_is_kept_over_the_run_and_each_call_counted_once() -> None:
    rules = (MaxCountPerStep("search", 2),)
    assert "search" in allowance(rules, TOOLS, past("search", "read")).allowed
    assert "search" not in allowance(rules, TOOLS, past("search", "read", "search")).allowed


@pytest.mark.parametrize(
    "call",
    [
        PastCall("search", f"{VIOLATION_PREFIX} Cannot call search", Outcome.ERROR),
        PastCall("search", "denied", Outcome.DENIED),
        PastCall("search", "skipped", Outcome.SKIPPED),
        PastCall("search", "wrong arguments", Outcome.ERROR, has_run=False),
    ],
)
def test_a_call_that_never_ran_does_not_count(call: PastCall) -> None:
    assert violation((MaxCountPerStep("search", 1),), TOOLS, (call,), "search") is None
    assert allowance((RunFirst("read"),), TOOLS, (call,)).allowed == ("read",)
    assert missing_before_exit((RequiredBeforeExit("search"),), (call,)) == ("search",)


@pytest.mark.parametrize(
    "call",
    [PastCall("search", "boom", Outcome.ERROR), PastCall("search", "?", Outcome.INTERRUPTED, has_run=False)],
)
def test_a_call_that_ran_or_may_have_run_does_count(call: PastCall) -> None:
    assert violation((MaxCountPerStep("search", 1),), TOOLS, (call,), "search") is not None


def test_a_violation_names_the_rule_and_what_is_valid() -> None:
    text = violation((MaxCountPerStep("search", 1), ExitLoop("send")), TOOLS, past("search"), "search")
    assert text == (
        "[ToolConstraintError] Cannot call search, valid tools include: ['read', 'write', 'send']. "
        "Rule max_count_per_step: search may be called at most once."
    )


@pytest.mark.parametrize(
    ("rule", "history", "name"),
    [
        (RunFirst("read"), (), "search"),
        (ConstrainChildTools("search", ("read",)), past("search"), "send"),
        (ParentLastTool("search", ("read",)), past("write"), "read"),
        (Conditional("search", {"ok": "read"}), past("search"), "write"),
        (MaxCountPerStep("search", 0), (), "search"),
    ],
)
def test_every_rule_names_itself_when_broken(rule: ToolRule, history: tuple[PastCall, ...], name: str) -> None:
    text = violation((rule,), TOOLS, history, name)
    assert text is not None
    assert f"Rule {rule.type}:" in text
    assert text.startswith(f"{VIOLATION_PREFIX} Cannot call {name}, valid tools include: ")


def test_only_the_broken_rule_is_named() -> None:
    rules = (MaxCountPerStep("read", 0), ParentLastTool("search", ("write",)))
    text = violation(rules, TOOLS, (), "read") or ""
    assert "max_count_per_step" in text
    assert "parent_last_tool" not in text


def test_an_unknown_tool_breaks_no_rule() -> None:
    assert violation((RunFirst("read"),), TOOLS, (), "nonsense") is None


def test_a_terminal_tool_waits_for_what_is_required_before_the_end() -> None:
    rules = (ExitLoop("send"), RequiredBeforeExit("read"), RequiredBeforeExit("send"))
    assert missing_before_exit(rules, ()) == ("read", "send")
    text = violation(rules, TOOLS, (), "send") or ""
    assert "required_before_exit" in text and "read must be called before send" in text
    assert violation(rules, TOOLS, past("read"), "send") is None
    assert missing_before_exit(rules, past("read", "send")) == ()


def test_a_detached_tool_is_not_required() -> None:
    rules = (ExitLoop("send"), RequiredBeforeExit("gone"))
    assert violation(rules, TOOLS, (), "send") is None
    assert missing_before_exit(rules, (), TOOLS) == ()


def test_rules_that_leave_only_a_terminal_tool_let_the_required_one_in_first() -> None:
    rules = (ConstrainChildTools("search", ("send",)), ExitLoop("send"), RequiredBeforeExit("read"))
    after = allowance(rules, TOOLS, past("search"))
    assert (after.allowed, after.is_forced) == (("read",), True)
    assert violation(rules, TOOLS, past("search"), "read") is None
    assert violation(rules, TOOLS, past("search"), "write") is not None


def test_only_exit_loop_is_terminal() -> None:
    rules = (ExitLoop("send"), ContinueLoop("read"))
    assert is_terminal(rules, "send")
    assert not is_terminal(rules, "read")


def test_prescribed_arguments_override_the_models_first_call() -> None:
    rules = (RunFirst("search", {"query": "tides", "limit": 3}),)
    assert prefilled(rules, (), "search", {"query": "x", "page": 1}) == {"query": "tides", "limit": 3, "page": 1}
    assert prefilled(rules, (), "read", {"query": "x"}) == {"query": "x"}
    assert prefilled(rules, past("search"), "search", {"query": "x"}) == {"query": "x"}


def test_prescribed_arguments_override_those_of_a_child() -> None:
    rules = (ConstrainChildTools("search", ("read", "write"), (ChildArguments("read", {"page": 2}),)),)
    assert prefilled(rules, past("search"), "read", {"page": 1}) == {"page": 2}
    assert prefilled(rules, past("search"), "write", {"page": 1}) == {"page": 1}
    assert prefilled(rules, past("send"), "read", {"page": 1}) == {"page": 1}


def test_what_a_rule_may_prescribe_for_a_tool() -> None:
    child = ConstrainChildTools("read", ("search",), (ChildArguments("search", {"page": 2}), ChildArguments("write")))
    rules = (RunFirst("search", {"query": "tides"}), RunFirst("send"), child)
    assert prescribable(rules, "search") == {"query", "page"}
    assert prescribable(rules, "write") == prescribable(rules, "send") == frozenset()
