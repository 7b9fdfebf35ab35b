"""Frames: whatever a browser has missed, it ends with the same page."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.events import EVENT_TYPES
from runs.picture import RunPicture, continued
from runs.picture_parts import Part
from runs.viewer import FRAGMENTS, LONGEST_TEXT, Page, event_template, frame, frames, log_row_html
from tests.run_logs import THREE_CALLS, RunLog, crashed_log, decided_log, held_log, three_call_log, wide_log
from tests.shown_page import ShownPage, last_words

LOGS = {"three": three_call_log(), "held": held_log(), "crashed": crashed_log(), "wide": wide_log(12)}


def replayed(log: RunLog, page: Page, cuts: list[int]) -> ShownPage:
    """What a browser shows that got the log in these pieces."""
    picture, shown = RunPicture(log.run_id), ShownPage()
    edges = [0, *sorted(cuts), len(log.rows)]
    for start, stop in pairwise(edges):
        if start < stop:
            for one in frames(log.rows[start:stop], picture, page):
                shown.take(one)
    return shown


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_type_has_its_one_template(event_type: str) -> None:
    assert get_template(event_template(event_type))


def test_there_is_no_template_without_an_event_type() -> None:
    folder = Path(settings.BASE_DIR) / "templates" / "runs" / "events"
    assert {f"runs/events/{path.name}" for path in folder.iterdir()} == {event_template(one) for one in EVENT_TYPES}


@pytest.mark.parametrize("page", Page)
def test_every_part_of_a_picture_has_templates_on_each_page(page: Page) -> None:
    assert set(FRAGMENTS[page]) == set(Part)
    assert all(get_template(name) for names in FRAGMENTS[page].values() for name in names)


@cache
def shown_whole(name: str, page: Page) -> dict[str, str]:
    return replayed(LOGS[name], page, []).elements


@pytest.mark.parametrize("page", Page)
@pytest.mark.parametrize("name", LOGS)
def test_row_by_row_ends_with_the_same_page_as_all_at_once(name: str, page: Page) -> None:
    log = LOGS[name]
    one_by_one = replayed(log, page, list(range(len(log.rows)))).elements
    assert last_words(one_by_one) == last_words(shown_whole(name, page))


@hypothesis_settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(0, len(LOGS["three"].rows)), max_size=6), page=st.sampled_from(Page))
def test_any_split_of_the_replay_ends_with_the_same_page(cuts: list[int], page: Page) -> None:
    assert last_words(replayed(LOGS["three"], page, cuts).elements) == last_words(shown_whole("three", page))


@hypothesis_settings(max_examples=10, deadline=None)
@given(cut=st.integers(0, len(LOGS["crashed"].rows)), back=st.integers(0, 20))
def test_a_reconnection_at_any_point_repeats_nothing_and_loses_nothing(cut: int, back: int) -> None:
    log, shown = LOGS["crashed"], ShownPage()
    for one in frames(log.rows[:cut], RunPicture(log.run_id)):
        shown.take(one)
    again = RunPicture(log.run_id).apply_all(log.rows[: max(0, cut - back)])
    for one in frames(log.rows[again.seq :], again):
        shown.take(one)
    assert last_words(shown.elements) == last_words(shown_whole("crashed", Page.RUN))


def test_a_frame_names_its_row_and_tells_its_line() -> None:
    log, picture = three_call_log(), RunPicture("run-1")
    first = frame(log.rows[0], picture)
    assert (first["seq"], first["type"], first["at"]) == (1, "run.started", log.rows[0].at.isoformat())
    assert 'id="event-1"' in first["html"] and "Librarian" in first["html"]


def test_a_waiting_call_always_says_why() -> None:
    log = three_call_log()
    upto = next(row.seq for row in log.rows if row.type == "call.waiting")
    shown = replayed(RunLog(rows=log.rows[:upto]), Page.CHAT, [])
    assert "waiting: cap 2 of search_web" in shown.text_of("call-call-b")


def test_a_queued_call_says_what_it_waits_for() -> None:
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS).plans(THREE_CALLS)
    shown = replayed(log, Page.CHAT, [])
    assert "phase 2 starts when phase 1 has ended" in shown.text_of("call-call-a")


def test_output_reaches_the_page_while_the_call_still_runs() -> None:
    log = three_call_log()
    upto = next(row.seq for row in log.rows if row.type == "call.output")
    picture = RunPicture("run-1")
    last = frames(log.rows[:upto], picture)[-1]
    assert 'data-append="#call-call-a-output"' in last["html"] and "asking the web" in last["html"]


def test_the_parts_of_one_frame_after_another_are_drawn_once_per_page_of_the_log() -> None:
    made = frames(three_call_log().rows, RunPicture("run-1"))
    assert sum('id="run-summary"' in one["html"] for one in made) == 1


def test_bad_arguments_are_shown_as_text() -> None:
    bad = [THREE_CALLS[0].__class__("call-x", "search_web", arguments='{"query": <script>alert(1)')]
    shown = replayed(RunLog().starts().asks_model().answers(calls=bad).plans(bad), Page.CHAT, [])
    assert '{"query": <script>alert(1)' in shown.text_of("call-call-x")


def test_markdown_of_the_model_cannot_bring_script_in() -> None:
    text = "**bold** <img src=x onerror=alert(1)> [x](javascript:alert(1))"
    log = RunLog().starts().asks_model().answers(text=text).ends()
    html = "".join(one["html"] for one in frames(log.rows, RunPicture("run-1"), Page.CHAT))
    assert "<strong>bold</strong>" in html
    assert "<img" not in html and 'href="javascript' not in html


def test_long_facts_are_cut_in_a_frame() -> None:
    log = RunLog().starts().asks_model().answers(calls=THREE_CALLS).plans(THREE_CALLS).starts_call("call-c")
    log.ends_call("call-c", text="x" * 50_000)
    last = frames(log.rows, RunPicture("run-1"))[-1]
    assert len(last["data"]["text"]) == LONGEST_TEXT + 1


def test_a_run_that_goes_on_shows_the_decisions_and_every_end() -> None:
    log = decided_log()
    shown = ShownPage()
    for one in frames(log.rows, continued("run-2", RunPicture("run-1").apply_all(held_log().rows)), Page.CHAT):
        shown.take(one)
    assert "denied" in shown.text_of("call-call-c")
    assert "I have started" in shown.text_of("call-call-c"), "its arguments come from the run before"


def test_a_line_of_the_log_names_the_call_not_only_its_id() -> None:
    log = three_call_log()
    picture = RunPicture("run-1").apply_all(log.rows)
    ended = next(row for row in log.rows if row.type == "call.ended")
    assert "send_message" in log_row_html(ended, picture)
