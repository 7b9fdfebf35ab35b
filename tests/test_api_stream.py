"""What a stream says at each event: every message once, in order, whole or in pieces."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.stream import ANSWERS, PROGRESS, Chunk, Heard, Teller, number, number_delta
from engine.events import EVENT_TYPES
from engine.ids import answer_id
from runs.models import Message, RunDelta, RunEvent

AT = datetime(2026, 3, 1, 9, 0, 0, tzinfo=UTC)
STEP = "step-11111111-1111-4111-8111-111111111111"
CALLS = [
    {"id": "call_a", "name": "web", "arguments": '{"n": 1}', "needs_approval": False},
    {"id": "call_b", "name": "books", "arguments": '{"n": 2}', "needs_approval": False},
]


def event(kind: str, seq: int = 1, **data: Any) -> RunEvent:
    return RunEvent(run_id="run-1", seq=seq, type=kind, at=AT, data={"step_id": STEP, **data})


def answer(run_id: str = "run-1", *, asks: frozenset[str] = frozenset(), **fields: Any) -> Message:
    calls = [{**call, "needs_approval": call["name"] in asks} for call in CALLS]
    facts = {"content": "Looking", "reasoning": "Hm", "calls": calls, **fields}
    return Message(pk=answer_id(STEP), run_id=run_id, step_id=STEP, role="assistant", created_at=AT, **facts)


def returned() -> Message:
    returns = [
        {
            "call_id": call["id"],
            "name": call["name"],
            "outcome": outcome,
            "text": "ok",
            "stdout": "a\nb\n",
            "stderr": "",
        }
        for call, outcome in zip(CALLS, ("success", "timeout"), strict=True)
    ]
    pk = "message-22222222-2222-4222-8222-222222222222"
    return Message(pk=pk, run_id="run-1", step_id=STEP, role="tool", created_at=AT, returns=returns)


def delta(seq: int, kind: str, text: str, call: dict[str, Any] | None = None) -> RunDelta:
    return RunDelta(run_id="run-1", delta_seq=seq, after_seq=2, step_id=STEP, kind=kind, text=text, call=call)


def call_delta(seq: int, place: int, text: str, *, first: bool = False) -> RunDelta:
    call = CALLS[place]
    return delta(seq, "call", text, {"index": place, "id": call["id"], "name": call["name"] if first else ""})


def said(chunks: list[Chunk]) -> list[str]:
    return [chunk.data["message_type"] for chunk in chunks if not chunk.event]


def planned(seq: int = 4) -> RunEvent:
    return event("batch.planned", seq, parallel=True, reason="", phases=[])


def test_every_event_type_has_an_answer() -> None:
    assert set(ANSWERS) == set(EVENT_TYPES)


def test_a_batch_is_told_whole_and_in_order() -> None:
    teller = Teller("run-1")
    row = answer()
    assert said(teller.tell(Heard(event("model.responded", 3), row))) == ["reasoning_message", "assistant_message"]
    (calls, progress) = teller.tell(Heard(planned(), row))
    assert [call["name"] for call in calls.data["tool_calls"]] == ["web", "books"]
    assert progress.event == PROGRESS
    (returns,) = teller.tell(Heard(event("model.requested", 9, returns=["call_a", "call_b"]), row, returned()))
    assert [each["status"] for each in returns.data["tool_returns"]] == ["success", "error"]
    assert [each["outcome"] for each in returns.data["tool_returns"]] == ["success", "timeout"]
    assert returns.data["stdout"] == ["a", "b"]


def test_the_free_calls_and_those_that_wait_for_approval_come_apart() -> None:
    chunks = Teller("run-1").tell(
        Heard(event("approval.requested", 4, call_ids=["call_b"]), answer(asks=frozenset({"books"})))
    )
    assert said(chunks) == ["tool_call_message", "approval_request_message"]
    assert [[call["tool_call_id"] for call in chunk.data["tool_calls"]] for chunk in chunks] == [["call_a"], ["call_b"]]
    assert chunks[1].data["otid"] == chunks[1].data["id"]


def test_a_run_that_carries_out_an_approval_does_not_tell_the_calls_again() -> None:
    assert said(Teller("run-2").tell(Heard(planned(), answer("run-1")))) == []


def test_a_run_that_was_taken_over_does_not_tell_the_calls_again() -> None:
    teller = Teller("run-1")
    assert said(teller.tell(Heard(planned(4), answer()))) == ["tool_call_message"]
    assert said(teller.tell(Heard(planned(9), answer()))) == []


def test_calls_that_were_cancelled_before_their_plan_are_told_before_their_returns() -> None:
    heard = Heard(event("run.ended", 5, returns=["call_a", "call_b"]), answer(), returned())
    assert said(Teller("run-1").tell(heard)) == ["tool_call_message", "tool_return_message"]


def test_pieces_carry_the_ids_of_the_whole() -> None:
    teller = Teller("run-1", is_token_mode=True)
    pieces = [
        *teller.tell_delta(delta(1, "reasoning", "Hm")),
        *teller.tell_delta(delta(2, "text", "Look")),
        *teller.tell_delta(call_delta(3, 0, "", first=True)),
        *teller.tell_delta(call_delta(4, 0, '{"n"')),
    ]
    assert said(pieces) == ["reasoning_message", "assistant_message", "tool_call_message", "tool_call_message"]
    assert pieces[2].data["tool_calls"] == {"tool_call_id": "call_a", "name": "web"}
    assert pieces[3].data["tool_calls"] == {"tool_call_id": "call_a", "arguments": '{"n"'}
    whole = Teller("run-1")
    messages = [*whole.tell(Heard(event("model.responded", 3), answer())), *whole.tell(Heard(planned(), answer()))]
    ids = {chunk.data["message_type"]: (chunk.data["id"], chunk.data["otid"]) for chunk in messages if not chunk.event}
    assert {chunk.data["message_type"]: (chunk.data["id"], chunk.data["otid"]) for chunk in pieces} == ids


def test_what_was_not_streamed_follows_when_the_answer_is_complete() -> None:
    teller = Teller("run-1", is_token_mode=True)
    teller.tell_delta(delta(1, "reasoning", "Hm"))
    teller.tell_delta(delta(2, "text", "Look"))
    teller.tell_delta(call_delta(3, 0, '{"n": 1}', first=True))
    (rest,) = teller.tell(Heard(event("model.responded", 3), answer()))
    assert rest.data["content"] == "ing"
    calls = [chunk for chunk in teller.tell(Heard(planned(), answer())) if not chunk.event]
    assert [chunk.data["tool_calls"] for chunk in calls] == [
        {"tool_call_id": "call_b", "name": "books", "arguments": '{"n": 2}'}
    ]
    assert teller.tell_delta(delta(9, "text", "late")) == []


def test_the_pieces_of_an_answer_that_is_asked_for_again_do_not_count() -> None:
    teller = Teller("run-1", is_token_mode=True)
    teller.tell_delta(delta(1, "text", "Looking"))
    teller.tell(Heard(event("model.retried", 3, attempt=1, discards_deltas=True)))
    chunks = teller.tell(Heard(event("model.responded", 4), answer()))
    assert [chunk.data.get("content") for chunk in chunks] == [None, "Looking"]


def test_without_pieces_token_mode_tells_everything_whole() -> None:
    teller = Teller("run-1", is_token_mode=True)
    assert said(teller.tell(Heard(event("model.responded", 3), answer()))) == ["reasoning_message", "assistant_message"]
    assert len(teller.tell(Heard(planned(), answer()))[0].data["tool_calls"]) == 2


def test_pieces_of_calls_that_need_approval_are_held_back() -> None:
    teller = Teller("run-1", is_token_mode=True, held_back=frozenset({"web"}))
    assert teller.tell_delta(call_delta(1, 0, "", first=True)) == []
    assert teller.tell_delta(call_delta(2, 0, '{"n": 1}')) == []
    assert said(teller.tell_delta(call_delta(3, 1, "{", first=True))) == ["tool_call_message"]


def test_the_numbers_of_a_stream_rise() -> None:
    later = RunDelta(run_id="run-1", delta_seq=900, after_seq=2, step_id=STEP, kind="text", text="", call=None)
    numbers = [
        number(event("model.requested", 2), 0),
        number(event("model.requested", 2), 1),
        number_delta(delta(1, "text", "")),
        number_delta(later),
        number(event("model.responded", 3), 0),
    ]
    assert numbers == sorted(set(numbers))
