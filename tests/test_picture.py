"""A run's picture is a fold of its log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.events import ApprovalRequested
from engine.specs import CallState, Mode, Outcome, RunStatus
from engine.story import LogRow
from engine.timing import time_run
from runs.picture import RunPicture, continued, tally
from runs.picture_parts import TAIL_LINES, Change, OutputTail, Part
from tests.run_logs import THREE_CALLS, RunLog, crashed_log, decided_log, held_log, three_call_log, wide_log


def picture_of(log: RunLog) -> RunPicture:
    return RunPicture(log.run_id).apply_all(log.rows)


def test_calls_stand_in_the_order_of_phase_and_index_not_of_finish() -> None:
    step = picture_of(three_call_log()).steps["step-1"]
    assert [[call.name for call in phase.calls] for phase in step.phases] == [
        ["send_message"],
        ["search_web", "search_database"],
    ]
    assert [phase.mode for phase in step.phases] == [Mode.SEQUENTIAL, Mode.PARALLEL]
    assert step.calls[0].ended_at > step.calls[1].ended_at  # type: ignore[operator]


def test_a_call_tells_its_whole_story() -> None:
    call = picture_of(three_call_log()).calls["call-b"]
    assert (call.state, call.text, call.waits_for) == (Outcome.SUCCESS, '{"rows": 3}', "waiting: cap 2 of search_web")
    assert call.queued_at and call.waiting_at and call.started_at and call.ended_at
    assert call.queued_at < call.waiting_at < call.started_at < call.ended_at
    assert [piece.text for piece in call.output.pieces] == ["SELECT 1\n"]


def test_a_row_seen_before_changes_nothing() -> None:
    log = three_call_log()
    picture = picture_of(log)
    before = repr(picture)
    assert [picture.apply(row) for row in log.rows] == [()] * len(log.rows)
    assert repr(picture) == before


@given(st.data())
def test_any_repetition_while_reconnecting_ends_with_the_same_picture(data: st.DataObject) -> None:
    rows = three_call_log().rows
    picture, position = RunPicture("run-1"), 0
    while position < len(rows):
        again = data.draw(st.integers(0, position))
        upto = data.draw(st.integers(position + 1, len(rows)))
        picture.apply_all(rows[again:upto])
        position = upto
    assert repr(picture) == repr(RunPicture("run-1").apply_all(rows))


def test_each_event_says_what_it_changed() -> None:
    log = three_call_log()
    picture = RunPicture("run-1")
    changes = {(row.type, row.seq): picture.apply(row) for row in log.rows}
    started = next(change for (kind, _), change in changes.items() if kind == "call.started")
    assert started == (Change(Part.CALL, "call-c"), Change(Part.PHASE, "step-1", 0), Change(Part.RUN))
    assert all(changes.values()), "every event of this log shows somewhere"


@pytest.mark.parametrize("log", [three_call_log(), crashed_log(), wide_log(30)], ids=["three", "crashed", "wide"])
def test_times_are_those_of_the_engine(log: RunLog) -> None:
    batch = time_run([LogRow(log.run_id, row.seq, row.type, row.at, row.data) for row in log.rows]).batches[0]
    step = picture_of(log).steps["step-1"]
    critical = [phase.critical_call.id for phase in step.phases if phase.critical_call]
    assert step.wall_seconds == batch.wall
    assert step.work_seconds == pytest.approx(batch.total)
    assert step.saved_seconds == pytest.approx(batch.saved)
    assert tuple(critical) == batch.critical_path


def test_nothing_is_saved_before_the_batch_has_ended() -> None:
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS).plans(THREE_CALLS)
    log.starts_call("call-c").ends_call("call-c")
    assert picture_of(log).saved_seconds == 0


def test_the_end_of_a_phase_also_changes_the_call_that_made_it_long() -> None:
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS[:2]).plans(THREE_CALLS[:2])
    log.starts_call("call-a").ends_call("call-a", after=5).starts_call("call-b").ends_call("call-b", after=0.1)
    picture = RunPicture("run-1").apply_all(log.rows[:-1])
    assert Change(Part.CALL, "call-a") in picture.apply(log.rows[-1])


def test_held_calls_wait_and_only_the_asked_ones_need_a_decision() -> None:
    picture = picture_of(held_log())
    assert {call.state for call in picture.calls.values()} == {CallState.HELD}
    assert [call.id for call in picture.pending_calls] == ["call-a", "call-c"]
    assert picture.status is RunStatus.COMPLETED


def test_the_run_that_goes_on_knows_what_the_model_asked_before() -> None:
    picture = continued("run-2", picture_of(held_log())).apply_all(decided_log().rows)
    call = picture.calls["call-c"]
    assert (call.arguments, call.decision, call.decision_reason) == (THREE_CALLS[2].arguments, "denied", "not now")
    assert (call.state, picture.calls["call-a"].state) == (Outcome.DENIED, Outcome.SUCCESS)
    assert not picture.pending_calls
    assert picture.decided_by == "admin"


def test_a_call_that_has_ended_is_never_held_again() -> None:
    log = three_call_log()
    log.add(ApprovalRequested("step-1", ("call-a",)))
    assert picture_of(log).calls["call-c"].state is Outcome.SUCCESS


def test_a_second_plan_after_a_crash_keeps_what_has_ended() -> None:
    picture = picture_of(crashed_log())
    assert picture.attempt == 2
    assert [call.state.value for call in picture.steps["step-1"].calls] == ["interrupted", "success", "success"]
    assert picture.calls["call-a"].seconds is None, "nobody knows how long the lost attempt ran"


def test_a_retry_moves_the_point_from_which_deltas_count() -> None:
    log = RunLog().starts().asks_model()
    asked = picture_of(log).steps["step-1"].since_seq
    again = picture_of(log.retries_model()).steps["step-1"]
    assert (asked, again.since_seq, len(again.retries)) == (2, 3, 1)


def test_the_tail_of_the_output_keeps_its_last_lines() -> None:
    tail = OutputTail()
    for number in range(1_000):
        tail.add(number, "stdout", f"line {number}\n")
    assert len(tail.pieces) == TAIL_LINES
    assert (tail.is_cut, tail.pieces[-1].text) == (True, "line 999\n")


def test_a_single_huge_piece_is_cut_to_its_end() -> None:
    tail = OutputTail()
    tail.add(1, "stdout", "x" * 5_000_000 + "the end")
    assert tail.is_cut
    assert len(tail.pieces[0].text) == 20_000
    assert tail.pieces[0].text.endswith("the end")


def test_the_tally_counts_every_call_once() -> None:
    assert dict(tally(picture_of(three_call_log()).calls.values())) == {"success": 2, "error": 1}
