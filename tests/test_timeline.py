"""The timeline's geometry, and the words beside it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runs.picture import RunPicture
from runs.timeline import axis, call_bars, model_bar, phase_band, tick_text
from runs.trace import chrome_trace
from runs.wording import arguments_preview, cut, duration_text, pretty_json, preview
from tests.run_logs import BEGINNING, held_log, three_call_log

THREE = RunPicture("run-1").apply_all(three_call_log().rows)


@given(st.floats(0.0, 500_000))
def test_the_axis_has_room_and_reads_well(seconds: float) -> None:
    made = axis(BEGINNING, BEGINNING + timedelta(seconds=seconds))
    assert made.span >= seconds * 1000 - 1
    assert made.span <= max(100, seconds * 1000 * 1.6)
    assert len(made.ticks) == 11


def test_a_call_that_waited_has_three_parts_end_to_end() -> None:
    on = axis(THREE.started_at or BEGINNING, THREE.ended_at or BEGINNING)
    bars = call_bars(THREE.calls["call-b"], on)
    assert [bar.kind for bar in bars] == ["queued", "wait", "run"]
    assert [bar.end for bar in bars[:-1]] == [bar.start for bar in bars[1:]]


def test_a_running_call_is_open_and_reaches_now() -> None:
    log = three_call_log()
    upto = next(row.seq for row in log.rows if row.type == "call.started")
    picture = RunPicture("run-1").apply_all(log.rows[:upto])
    now = log.rows[upto - 1].at + timedelta(seconds=2)
    on = axis(picture.started_at or BEGINNING, now)
    bar = call_bars(picture.calls["call-c"], on)[-1]
    assert (bar.kind, bar.is_open) == ("run", True)
    assert bar.end - bar.start == 2000


def test_a_held_call_has_no_bar() -> None:
    picture = RunPicture("run-1").apply_all(held_log().rows)
    on = axis(BEGINNING, BEGINNING + timedelta(seconds=2))
    assert call_bars(picture.calls["call-a"], on) == []


def test_a_phase_band_covers_its_calls_and_the_model_has_its_own_bar() -> None:
    on = axis(THREE.started_at or BEGINNING, THREE.ended_at or BEGINNING)
    step = THREE.steps["step-1"]
    band = phase_band(step.phases[1], on)
    runs = [bar for call in step.phases[1].calls for bar in call_bars(call, on) if bar.kind == "run"]
    assert band is not None and band.start <= min(bar.start for bar in runs)
    assert band.end == max(bar.end for bar in runs)
    assert (model_bar(step, on, None) or band).kind == "model"


def test_a_text_changes_sides_where_there_is_no_room_behind() -> None:
    on = axis(BEGINNING, BEGINNING + timedelta(seconds=10))
    early = on.bar("run", BEGINNING, BEGINNING + timedelta(seconds=3))
    late = on.bar("run", BEGINNING + timedelta(seconds=8), BEGINNING + timedelta(seconds=10))
    assert early and late
    sides = [mark.anchor for mark in (on.mark("x", [early]), on.mark("x", [late])) if mark]
    assert sides == ["start", "end"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.24, "240 ms"), (1.239, "1.24 s"), (12.44, "12.4 s"), (185, "3 m 05 s"), (7620, "2 h 07 m")],
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (0.25, "250 ms"), (1.5, "1.5 s"), (150, "2:30")])
def test_ticks_read_well(seconds: float, text: str) -> None:
    assert tick_text(seconds) == text


def test_arguments_are_shown_pretty_and_bad_ones_as_they_are() -> None:
    assert pretty_json('{"a": [1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert pretty_json('{"a": ') == '{"a": '
    assert arguments_preview('{"query": "tides", "limit": 3}') == 'query: "tides", limit: 3'
    assert arguments_preview("[" * 100_000) == "[" * 159 + "…"


def test_a_preview_is_one_short_line() -> None:
    assert preview("one\n  two") == "one two"
    assert len(preview("word " * 10_000)) == 160
    assert cut("x" * 30, 10) == ("x" * 10, True)


def test_the_trace_has_a_lane_for_each_call_in_the_models_order_within_phases() -> None:
    events = chrome_trace(THREE)["traceEvents"]
    lanes = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert lanes == ["model", "1.3 send_message", "1.1 search_web", "1.2 search_database"]
    waited = next(event for event in events if event.get("cat") == "waiting")
    assert waited["name"] == "waiting: cap 2 of search_web"


def test_a_run_that_has_not_begun_has_an_empty_trace() -> None:
    assert chrome_trace(RunPicture("run-1"))["traceEvents"] == []
