"""Times of calls and batches, read from the log (rule 7.2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.story import LogRow
from engine.timing import BatchTiming, CallTiming, time_run
from engine.whatif import reschedule
from tests.logs import NOON, index_of, one_batch, with_approval, with_crash


def at(seconds: float, event_type: str, **data: object) -> LogRow:
    return LogRow("run-1", 0, event_type, NOON + timedelta(seconds=seconds), data)


def call_rows(call: str, queued: float, started: float, ended: float) -> list[LogRow]:
    return [
        at(queued, "call.queued", call_id=call),
        at(started, "call.started", call_id=call, attempt=1),
        at(ended, "call.ended", call_id=call, outcome="success", attempt=1),
    ]


def batch_rows(*rows: LogRow, parallel: bool = True) -> list[LogRow]:
    """`send` for 1 s, then `web` and `db` together."""
    calls = [{"id": name, "name": name} for name in ("web", "send", "db")]
    phases = [
        {"mode": "sequential", "calls": [{"id": "send", "mode": "sequential"}]},
        {"mode": "parallel", "calls": [{"id": "web", "mode": "parallel"}, {"id": "db", "mode": "parallel"}]},
    ]
    return [
        at(0, "model.responded", step_id="step-1", finish="tool_calls", calls=calls),
        at(10, "batch.planned", step_id="step-1", parallel=parallel, phases=phases),
        *rows,
    ]


def the_batch() -> BatchTiming:
    rows = batch_rows(*call_rows("send", 10, 10, 11), *call_rows("web", 10, 11, 13), *call_rows("db", 10, 12, 15))
    return time_run(rows).batches[0]


def by_id(batch: BatchTiming) -> dict[str, CallTiming]:
    return {call.id: call for call in batch.calls}


def test_calls_come_in_the_models_order_with_wait_and_duration() -> None:
    timings = [(call.id, call.phase, call.wait, call.duration) for call in the_batch().calls]
    assert timings == [("web", 1, 1.0, 2.0), ("send", 0, 0.0, 1.0), ("db", 1, 2.0, 3.0)]


def test_saved_is_the_sum_of_durations_less_the_wall() -> None:
    batch = the_batch()
    assert (batch.wall, batch.total, batch.saved) == (5.0, 6.0, 1.0)


def test_saved_is_not_hidden_when_it_is_below_zero() -> None:
    rows = batch_rows(*call_rows("send", 10, 12, 13), *call_rows("web", 10, 14, 14), *call_rows("db", 10, 16, 17))
    assert time_run(rows).batches[0].saved == -5.0


def test_the_critical_path_has_each_sequential_call_and_the_longest_parallel_one() -> None:
    assert the_batch().critical_path == ("send", "db")


def test_a_call_that_never_ran_took_no_time() -> None:
    refused = at(10, "call.ended", call_id="send", outcome="error", attempt=0)
    rows = batch_rows(refused, *call_rows("web", 10, 11, 13), *call_rows("db", 10, 11, 12))
    batch = time_run(rows).batches[0]
    send = by_id(batch)["send"]
    assert (send.started, send.duration, send.outcome) == (None, 0.0, "error")
    assert batch.critical_path == ("web",)


def test_an_open_batch_has_no_wall_and_does_not_count_in_the_run() -> None:
    rows = batch_rows(*call_rows("send", 10, 10, 11), at(11, "call.started", call_id="web", attempt=1))
    run = time_run(rows)
    batch = run.batches[0]
    assert (batch.wall, batch.saved, batch.total) == (None, None, 1.0)
    assert (run.wall, run.total, run.saved) == (0, 0, 0)
    web = by_id(batch)["web"]
    assert (web.duration, web.ended, by_id(batch)["db"].wait) == (None, None, None)


def test_a_run_sums_its_batches() -> None:
    rows = one_batch([("sequential", ["a"]), ("parallel", ["b", "c"])], ["b", "a", "c"])
    run = time_run(rows)
    assert run.wall == run.batches[0].wall
    assert run.saved == pytest.approx(run.total - run.wall)
    assert run.elapsed == len(rows) - 1


def test_a_batch_that_was_held_is_timed_from_the_decision() -> None:
    rows = with_approval()
    batch = time_run(rows).batches[0]
    planned, last = index_of(rows, "batch.planned"), index_of(rows, "call.ended", "risky1")
    assert batch.wall == (rows[last].at - rows[planned].at).total_seconds()
    assert by_id(batch)["risky2"].duration == 0.0


def test_after_a_crash_the_lost_attempt_is_not_counted() -> None:
    rows = with_crash()
    batch = time_run(rows).batches[0]
    calls = by_id(batch)
    again = rows[index_of(rows, "call.started", "c", nth=1)]
    assert calls["c"].started == again.at
    assert (calls["b"].started, calls["b"].duration) == (None, 0.0)
    assert batch.total == calls["c"].duration
    assert batch.critical_path == ("c",)


def test_no_rows_no_times() -> None:
    run = time_run(())
    assert (run.batches, run.elapsed, run.saved) == ((), 0.0, 0)


@pytest.mark.parametrize(
    ("parallel_tools", "is_on", "phases", "wall"),
    [
        (["web", "db"], True, (("send",), ("web", "db")), 4.0),
        (["web", "db"], False, (("web",), ("send",), ("db",)), 6.0),
        ([], True, (("web",), ("send",), ("db",)), 6.0),
        (["web", "db", "send"], True, (("web", "send", "db"),), 3.0),
        (["send"], True, (("web",), ("db",), ("send",)), 6.0),
    ],
)
def test_other_switches_make_another_plan_and_another_wall(
    parallel_tools: list[str], is_on: bool, phases: tuple[tuple[str, ...], ...], wall: float
) -> None:
    other = reschedule(the_batch(), parallel_tools, is_flag_on=is_on)
    assert (other.phases, other.wall, other.saved) == (phases, wall, 6.0 - wall)
