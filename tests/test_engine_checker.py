"""The checker: good logs are green, and a log that breaks a rule is red and says which call broke it (rule 7.3)."""

from __future__ import annotations

import ast
import copy
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.checker import LogRow, Verdict, check
from tests.logs import LogWriter, changed, index_of, moved, one_batch, renumbered, with_approval, with_crash, without

MIXED = [("sequential", ["send1"]), ("sequential", ["send2"]), ("parallel", ["web1", "db1"])]
ORDER = ["web1", "send1", "db1", "send2"]


def mixed() -> list[LogRow]:
    """The reference page's case: two sequential calls, then two that run together."""
    return one_batch(MIXED, ORDER, finish=["db1", "web1", "send1", "send2"])


def one_by_one() -> list[LogRow]:
    return one_batch([("sequential", [name]) for name in ORDER], ORDER, parallel=False)


def blamed(verdict: Verdict, rule: str) -> set[str]:
    return {finding.call_id for finding in verdict.broken(rule)}


@pytest.mark.parametrize("rows", [mixed(), one_by_one(), with_approval(), with_crash()])
def test_a_log_that_keeps_the_rules_is_green(rows: list[LogRow]) -> None:
    verdict = check(rows)
    assert verdict.findings == ()
    assert verdict.is_ok and verdict.is_complete


def test_the_verdict_counts_what_it_looked_at() -> None:
    checked = check(with_approval()).checked
    assert (checked.runs, checked.batches, checked.calls, checked.events) == (2, 1, 3, len(with_approval()))


def test_a_running_log_is_not_green_yet_and_has_no_findings() -> None:
    rows = mixed()
    verdict = check(rows[: index_of(rows, "call.ended", "db1")])
    assert (verdict.is_ok, verdict.is_complete, verdict.findings) == (False, False, ())


def test_an_empty_log_is_not_green() -> None:
    assert not check(()).is_ok


def replanned(
    rows: Sequence[LogRow], phases: Sequence[tuple[str, Sequence[tuple[str, str]]]], **data: Any
) -> list[LogRow]:
    """The rows with another plan: phases of (mode, ((call, mode), ...))."""
    facts = [
        {"index": index, "mode": mode, "calls": [{"id": call, "name": call, "mode": own} for call, own in calls]}
        for index, (mode, calls) in enumerate(phases)
    ]
    return changed(rows, index_of(rows, "batch.planned"), lambda old: old.update(phases=facts, **data))


SEQ, PAR = "sequential", "parallel"
WRONG_PLANS: dict[str, tuple[list[tuple[str, list[tuple[str, str]]]], str]] = {
    "sequential calls in another order": (
        [(SEQ, [("send2", SEQ)]), (SEQ, [("send1", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR)])],
        "send1",
    ),
    "parallel calls first": (
        [(PAR, [("web1", PAR), ("db1", PAR)]), (SEQ, [("send1", SEQ)]), (SEQ, [("send2", SEQ)])],
        "web1",
    ),
    "two sequential calls in one phase": (
        [(SEQ, [("send1", SEQ), ("send2", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR)])],
        "send1",
    ),
    "parallel calls in two phases": (
        [(SEQ, [("send1", SEQ)]), (SEQ, [("send2", SEQ)]), (PAR, [("web1", PAR)]), (PAR, [("db1", PAR)])],
        "web1",
    ),
    "a sequential call among the parallel ones": (
        [(SEQ, [("send1", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR), ("send2", SEQ)])],
        "send2",
    ),
    "a parallel call on its own": (
        [(SEQ, [("send1", SEQ)]), (SEQ, [("db1", PAR)]), (SEQ, [("send2", SEQ)]), (PAR, [("web1", PAR)])],
        "db1",
    ),
    "a call left out": ([(SEQ, [("send1", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR)])], "send2"),
    "a call planned twice": (
        [(SEQ, [("send1", SEQ)]), (SEQ, [("send2", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR), ("db1", PAR)])],
        "db1",
    ),
    "a call nobody asked for": (
        [(SEQ, [("send1", SEQ)]), (SEQ, [("send2", SEQ)]), (PAR, [("web1", PAR), ("db1", PAR), ("x", PAR)])],
        "x",
    ),
}


@pytest.mark.parametrize(("phases", "call"), WRONG_PLANS.values(), ids=WRONG_PLANS.keys())
def test_a_wrong_plan_breaks_2_1(phases: list[tuple[str, list[tuple[str, str]]]], call: str) -> None:
    verdict = check(replanned(mixed(), phases))
    assert not verdict.is_ok
    assert call in blamed(verdict, "2.1")


@pytest.mark.parametrize(
    ("phases", "call"),
    [
        ([(SEQ, ["send1"]), (SEQ, ["web1"]), (SEQ, ["db1"]), (SEQ, ["send2"])], "web1"),
        ([(SEQ, ["web1"]), (SEQ, ["send1", "db1"]), (SEQ, ["send2"])], "send1"),
        ([(PAR, ["web1", "send1", "db1", "send2"])], "web1"),
    ],
)
def test_with_the_flag_off_anything_but_one_by_one_in_the_models_order_breaks_2_1(
    phases: list[tuple[str, list[str]]], call: str
) -> None:
    own_modes = [(mode, [(name, mode) for name in calls]) for mode, calls in phases]
    assert call in blamed(check(replanned(one_by_one(), own_modes)), "2.1")


def test_running_without_a_plan_breaks_2_1() -> None:
    rows = mixed()
    assert blamed(check(without(rows, index_of(rows, "batch.planned"))), "2.1") == set(ORDER)


def test_a_second_plan_without_a_crash_breaks_2_1() -> None:
    rows = with_crash()
    second = index_of(rows, "run.started", nth=1)
    assert check(without(rows, second)).broken("2.1")


@pytest.mark.parametrize(("call", "before"), [("send2", "send1"), ("web1", "send2"), ("db1", "send1")])
def test_a_start_before_the_end_of_an_earlier_phase_breaks_3_1(call: str, before: str) -> None:
    rows = mixed()
    verdict = check(moved(rows, index_of(rows, "call.started", call), index_of(rows, "call.ended", before)))
    assert not verdict.is_ok
    assert call in blamed(verdict, "3.1")
    assert any("of an earlier phase" in finding.text for finding in verdict.broken("3.1") if finding.call_id == call)


def test_a_start_that_is_early_only_by_the_clock_breaks_3_1() -> None:
    rows = mixed()
    place = index_of(rows, "call.started", "send2")
    rows[place] = replace(rows[place], at=rows[place].at - timedelta(seconds=2))
    assert blamed(check(rows), "3.1") == {"send2"}


def test_an_overlap_with_the_next_batch_breaks_3_1() -> None:
    log = LogWriter(rows=one_batch([("parallel", ["web1"])], ["web1"])[:-2])
    log.responded("send1", step="step-2")
    log.planned([("sequential", ["send1"])], parallel=True, step="step-2")
    log.ran("send1", step="step-2")
    log.run_ended("max_steps", returns=["send1"])
    assert check(log.rows).is_ok
    late = moved(log.rows, index_of(log.rows, "call.ended", "web1"), index_of(log.rows, "call.ended", "send1"))
    assert "send1" in blamed(check(late), "3.1")


@pytest.mark.parametrize("call", ORDER)
def test_a_call_that_never_ends_breaks_3_5(call: str) -> None:
    rows = mixed()
    verdict = check(without(rows, index_of(rows, "call.ended", call)))
    assert not verdict.is_ok
    assert blamed(verdict, "3.5") == {call}


@pytest.mark.parametrize("call", ORDER)
def test_a_call_that_ends_twice_breaks_3_5(call: str) -> None:
    rows = mixed()
    end = index_of(rows, "call.ended", call)
    assert blamed(check(renumbered([*rows[:-1], rows[end], rows[-1]])), "3.5") == {call}


@pytest.mark.parametrize("call", ORDER)
def test_a_success_without_a_start_breaks_3_5(call: str) -> None:
    rows = mixed()
    assert blamed(check(without(rows, index_of(rows, "call.started", call))), "3.5") == {call}


def test_an_end_before_the_start_breaks_3_5() -> None:
    rows = mixed()
    verdict = check(moved(rows, index_of(rows, "call.ended", "web1"), index_of(rows, "call.started", "web1")))
    assert blamed(verdict, "3.5") == {"web1"}


def test_output_after_the_end_breaks_3_5() -> None:
    rows = mixed()
    output = replace(rows[-1], type="call.output", data={"call_id": "db1", "stream": "stdout", "text": "late"})
    assert blamed(check(renumbered([*rows[:-1], output, rows[-1]])), "3.5") == {"db1"}


def test_a_call_nobody_asked_for_breaks_3_5() -> None:
    rows = mixed()
    ghost = replace(rows[-1], type="call.ended", data={"call_id": "ghost", "outcome": "success"})
    assert "ghost" in blamed(check(renumbered([*rows[:-1], ghost, rows[-1]])), "3.5")


def test_an_id_that_two_calls_bear_breaks_3_5() -> None:
    rows = mixed()

    def rename(data: dict[str, Any]) -> None:
        data["calls"] = copy.deepcopy(data["calls"])
        data["calls"][0]["id"] = "db1"

    assert "db1" in blamed(check(changed(rows, index_of(rows, "model.responded"), rename)), "3.5")


@pytest.mark.parametrize("place", range(len(mixed())))
def test_a_gap_anywhere_but_at_the_end_breaks_3_5(place: int) -> None:
    rows = mixed()
    verdict = check([*rows[:place], *rows[place + 1 :]])
    assert not verdict.is_ok
    assert verdict.broken("3.5") or place == len(rows) - 1


def test_a_retry_is_fine_only_after_a_crash() -> None:
    rows = with_crash()
    again = [row for row in rows if not (row.type == "run.started" and row.data["attempt"] == 2)]
    assert "c" in blamed(check(renumbered(again)), "3.5")


def test_a_finished_call_that_runs_again_after_a_crash_breaks_3_5() -> None:
    rows = with_crash()
    again = replace(rows[-1], type="call.started", data={"step_id": "step-1", "call_id": "a", "attempt": 2})
    place = index_of(rows, "call.started", "c", nth=1)
    assert "a" in blamed(check(renumbered([*rows[:place], again, *rows[place:]])), "3.5")


def held() -> list[LogRow]:
    rows = with_approval()
    return rows[: index_of(rows, "run.ended") + 1]


def test_held_calls_need_no_end_while_the_decision_is_due() -> None:
    assert check(held()).is_ok


def test_calls_without_an_end_are_fine_only_where_the_run_waits_for_a_decision() -> None:
    ended = changed(held(), len(held()) - 1, lambda data: data.update(stop_reason="end_turn"))
    assert blamed(check(ended), "3.5") == {"risky1", "free", "risky2"}


def test_a_held_call_that_runs_breaks_3_5() -> None:
    rows = held()
    early = replace(rows[-1], type="call.started", data={"step_id": "step-1", "call_id": "free", "attempt": 1})
    assert "free" in blamed(check(renumbered([*rows[:-1], early, rows[-1]])), "3.5")


def test_a_decided_call_that_never_ends_breaks_3_5() -> None:
    rows = with_approval()
    assert blamed(check(without(rows, index_of(rows, "call.ended", "risky2"))), "3.5") == {"risky2"}


def test_calls_of_a_cut_answer_must_not_run() -> None:
    rows = mixed()
    cut = changed(rows, index_of(rows, "model.responded"), lambda data: data.update(finish="length"))
    assert blamed(check(cut), "3.5") == set(ORDER)


@pytest.mark.parametrize(
    ("returns", "call"),
    [
        (["send1", "web1", "db1", "send2"], "web1"),
        (["web1", "send1", "send2", "db1"], "db1"),
        (["web1", "send1", "db1"], "send2"),
        (["web1", "send1", "db1", "send2", "send2"], "send2"),
        ([], "web1"),
    ],
)
def test_returns_in_another_order_break_3_6(returns: list[str], call: str) -> None:
    rows = mixed()
    place = index_of(rows, "model.requested", nth=1)
    verdict = check(changed(rows, place, lambda data: data.update(returns=returns)))
    assert not verdict.is_ok
    assert call in blamed(verdict, "3.6")


def test_returns_of_a_run_that_ends_after_its_batch_are_judged_too() -> None:
    rows = mixed()[: index_of(mixed(), "model.requested", nth=1)]
    log = LogWriter(rows=rows)
    log.run_ended("tool_rule", returns=ORDER)
    assert check(log.rows).is_ok
    turned = changed(log.rows, len(log.rows) - 1, lambda data: data.update(returns=list(reversed(ORDER))))
    assert blamed(check(turned), "3.6") == {"web1"}


def test_going_on_before_a_call_has_ended_breaks_3_6() -> None:
    rows = mixed()
    late = moved(rows, index_of(rows, "call.ended", "web1"), len(rows) - 1)
    assert "web1" in blamed(check(late), "3.6")


def test_returns_that_join_twice_break_3_6() -> None:
    rows = mixed()
    twice = changed(rows, len(rows) - 1, lambda data: data.update(returns=ORDER))
    assert check(twice).broken("3.6")


def test_a_cancelled_batch_is_green_when_each_call_says_what_became_of_it() -> None:
    rows = mixed()
    log = LogWriter(rows=rows[: index_of(rows, "call.ended", "db1")])
    log.ended("db1", "cancelled")
    log.ended("web1", "cancelled")
    log.run_ended("cancelled", "cancelled", returns=ORDER)
    assert check(log.rows).is_ok


def test_a_run_cancelled_right_after_its_decisions_needs_no_plan() -> None:
    rows = with_approval()
    log = LogWriter("run-2", rows=rows[: index_of(rows, "batch.planned")])
    log.ended("risky1", "cancelled", attempt=0)
    log.ended("free", "cancelled", attempt=0)
    log.ended("risky2", "denied", attempt=0)
    log.run_ended("cancelled", "cancelled", returns=["risky1", "free", "risky2"])
    assert check(log.rows).findings == ()


def test_an_interrupted_call_must_have_started() -> None:
    rows = with_crash()
    unstarted = [row for row in rows if not (row.type == "call.started" and row.data["call_id"] == "b")]
    assert "b" in blamed(check(renumbered(unstarted)), "3.5")


def test_damaged_rows_are_judged_and_not_raised() -> None:
    rows = [replace(row, data={"calls": 7, "phases": "x", "returns": None, "call_id": 5}) for row in mixed()]
    assert not check(rows).is_ok


def test_the_checker_shares_no_code_with_what_it_checks() -> None:
    allowed = {"story", "verdict", "check_order", "check_ends", "checker"}
    for name in allowed:
        tree = ast.parse(Path(f"engine/{name}.py").read_text())
        modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        ours = [module for module in modules if module.startswith(("engine", "llms"))]
        assert {module.removeprefix("engine.") for module in ours} <= allowed


# Any log that keeps the rules is green, and any of these mutations turns it red.


@st.composite
def good_logs(draw: st.DrawFn, min_calls: int = 1) -> list[LogRow]:
    is_parallel = draw(st.booleans())
    modes = draw(st.lists(st.sampled_from([SEQ, PAR]), min_size=min_calls, max_size=7))
    order = [f"tool{index}" for index in range(len(modes))]
    if not is_parallel:
        return one_batch([(SEQ, [call]) for call in order], order, parallel=False)
    together = [call for call, mode in zip(order, modes, strict=True) if mode == PAR]
    phases = [(SEQ, [call]) for call, mode in zip(order, modes, strict=True) if mode == SEQ]
    phases += [(PAR, together)] if together else []
    return one_batch(phases, order, finish=draw(st.permutations(order)))


def phases_of(rows: Sequence[LogRow]) -> list[dict[str, Any]]:
    return copy.deepcopy(rows[index_of(rows, "batch.planned")].data["phases"])


def order_of(rows: Sequence[LogRow]) -> list[str]:
    return [call["id"] for call in rows[index_of(rows, "model.responded")].data["calls"]]


@given(good_logs())
def test_any_good_log_is_green(rows: list[LogRow]) -> None:
    assert check(rows).findings == ()


@given(good_logs(min_calls=2), st.data())
def test_swapping_two_phases_of_the_plan_turns_any_log_red(rows: list[LogRow], data: st.DataObject) -> None:
    phases = phases_of(rows)
    if len(phases) < 2:
        phases = [{**phases[0], "calls": phases[0]["calls"][:1]}, {**phases[0], "calls": phases[0]["calls"][1:]}]
    first, second = sorted(data.draw(st.permutations(range(len(phases))))[:2])
    phases[first], phases[second] = phases[second], phases[first]
    verdict = check(changed(rows, index_of(rows, "batch.planned"), lambda old: old.update(phases=phases)))
    assert not verdict.is_ok
    swapped = {call["id"] for phase in phases[first : second + 1] for call in phase["calls"]}
    assert blamed(verdict, "2.1") & swapped


@given(good_logs(), st.data())
def test_dropping_an_end_turns_any_log_red(rows: list[LogRow], data: st.DataObject) -> None:
    call = data.draw(st.sampled_from(order_of(rows)))
    assert call in blamed(check(without(rows, index_of(rows, "call.ended", call))), "3.5")


@given(good_logs(), st.data())
def test_repeating_an_end_turns_any_log_red(rows: list[LogRow], data: st.DataObject) -> None:
    call = data.draw(st.sampled_from(order_of(rows)))
    end = index_of(rows, "call.ended", call)
    place = data.draw(st.integers(end + 1, len(rows) - 1))
    assert call in blamed(check(renumbered([*rows[:place], rows[end], *rows[place:]])), "3.5")


@given(good_logs(min_calls=2), st.data())
def test_starting_before_the_phase_before_has_ended_turns_any_log_red(rows: list[LogRow], data: st.DataObject) -> None:
    phases = phases_of(rows)
    if len(phases) < 2:
        return
    index = data.draw(st.integers(1, len(phases) - 1))
    call = data.draw(st.sampled_from([entry["id"] for entry in phases[index]["calls"]]))
    before = data.draw(st.sampled_from([entry["id"] for phase in phases[:index] for entry in phase["calls"]]))
    verdict = check(moved(rows, index_of(rows, "call.started", call), index_of(rows, "call.ended", before)))
    assert call in blamed(verdict, "3.1")


@given(good_logs(min_calls=2), st.data())
def test_reordering_returns_turns_any_log_red(rows: list[LogRow], data: st.DataObject) -> None:
    order = order_of(rows)
    other = data.draw(st.permutations(order).filter(lambda returns: returns != order))
    place = index_of(rows, "model.requested", nth=1)
    verdict = check(changed(rows, place, lambda old: old.update(returns=other)))
    assert blamed(verdict, "3.6") & set(order)
