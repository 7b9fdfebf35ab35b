"""Streamed pieces of tool calls, as OpenAI and as careless endpoints send them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llms.call_pieces import CallPieces
from llms.types import RequestedCall

Piece = tuple[int | None, str, str, str]

A, B = RequestedCall("1", "a", '{"n": 1}'), RequestedCall("2", "b", '{"n": 2}')


def put_together(pieces: list[Piece]) -> tuple[RequestedCall, ...]:
    calls = CallPieces()
    for index, id_, name, arguments in pieces:
        calls.add(index=index, id=id_, name=name, arguments=arguments)
    return calls.finish()


@pytest.mark.parametrize(
    ("manner", "pieces", "expected"),
    [
        ("as OpenAI", [(0, "1", "a", ""), (0, "", "", '{"n"'), (0, "", "", ": 1}"), (1, "2", "b", ""), (1, "", "", B.arguments)], (A, B)),
        ("interleaved", [(0, "1", "a", ""), (1, "2", "b", ""), (0, "", "", A.arguments), (1, "", "", B.arguments)], (A, B)),
        ("whole, all index 0", [(0, "1", "a", A.arguments), (0, "2", "b", B.arguments)], (A, B)),
        ("no index", [(None, "1", "a", '{"n": '), (None, "", "", "1}"), (None, "2", "b", B.arguments)], (A, B)),
        ("id and name in every piece", [(0, "1", "a", '{"n"'), (0, "1", "a", ": 1}"), (1, "2", "b", B.arguments)], (A, B)),
        ("same id, own index", [(0, "1", "a", A.arguments), (1, "1", "b", B.arguments)], (A, RequestedCall("1", "b", B.arguments))),
        ("same id, same index, other name", [(0, "1", "a", A.arguments), (0, "1", "b", B.arguments)], (A, RequestedCall("1", "b", B.arguments))),
        ("same id, name and index", [(0, "1", "a", A.arguments), (0, "1", "a", B.arguments)], (A, RequestedCall("1", "a", B.arguments))),
        ("no ids, no index", [(None, "", "a", A.arguments), (None, "", "a", B.arguments)], (RequestedCall("", "a", A.arguments), RequestedCall("", "a", B.arguments))),
        ("a last empty piece", [(0, "1", "a", A.arguments), (0, "1", "a", "")], (A,)),
        ("the id comes late", [(0, "", "a", ""), (0, "1", "", A.arguments)], (A,)),
        ("no arguments at all", [(0, "1", "a", ""), (1, "2", "b", "")], (RequestedCall("1", "a", "{}"), RequestedCall("2", "b", "{}"))),
        ("indexes from 1", [(1, "1", "a", A.arguments), (2, "2", "b", B.arguments)], (A, B)),
    ],
)  # fmt: skip
def test_pieces_make_the_calls_that_were_meant(
    manner: str, pieces: list[Piece], expected: tuple[RequestedCall, ...]
) -> None:
    assert put_together(pieces) == expected, manner


def test_deltas_tell_the_place_of_the_call_not_the_endpoints_index() -> None:
    calls = CallPieces()
    first = calls.add(index=0, id="1", name="a", arguments=A.arguments)
    second = calls.add(index=0, id="2", name="b", arguments='{"n": ')
    third = calls.add(index=0, arguments="2}")
    assert [(delta.index, delta.id, delta.name) for delta in (first, second, third)] == [
        (0, "1", "a"),
        (1, "2", "b"),
        (1, "", ""),
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.dictionaries(st.text(max_size=3), st.integers(), max_size=3)), max_size=5
    ),
    st.integers(1, 9),
)
def test_calls_cut_anywhere_come_out_whole(wanted: list[tuple[str, dict[str, Any]]], length: int) -> None:
    import json

    calls = [RequestedCall(f"id{number}", name, json.dumps(value)) for number, (name, value) in enumerate(wanted)]
    pieces: list[Piece] = []
    for index, call in enumerate(calls):
        cut = [call.arguments[at : at + length] for at in range(0, len(call.arguments), length)]
        pieces += [(index, call.id, call.name, ""), *((index, "", "", part) for part in cut)]
    assert put_together(pieces) == tuple(calls)
