"""Secrets are masked in whole texts and in texts that come in pieces."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tools.redaction import MASK, Redactor


def test_a_secret_is_masked_wherever_it_stands() -> None:
    assert Redactor(["hunter2!"]).clean("pw=hunter2!;hunter2!") == f"pw={MASK};{MASK}"


def test_a_secret_that_contains_another_goes_as_a_whole() -> None:
    assert Redactor(["token", "token-long"]).clean("token-long token") == f"{MASK} {MASK}"


def test_a_secret_is_masked_as_json_and_repr_write_it() -> None:
    key = '-----BEGIN\nab"c\\d'
    redactor = Redactor([key])
    for text in (json.dumps({"k": key}), json.dumps([key], ensure_ascii=False), repr(key), repr({"k": key})):
        assert "BEGIN" not in redactor.clean(text), text
    assert json.loads(redactor.clean(json.dumps({"k": key}))) == {"k": MASK}


def test_a_value_too_short_to_protect_anything_is_left() -> None:
    assert Redactor(["on", ""]).clean("on and on") == "on and on"


def test_without_secrets_nothing_is_held_back() -> None:
    stream = Redactor([]).stream()
    assert stream.feed("anything") == "anything"
    assert stream.rest() == ""


def test_an_end_that_begins_a_secret_is_held_back_until_it_is_none() -> None:
    stream = Redactor(["hunter2!"]).stream()
    assert stream.feed("say hun") == "say "
    assert stream.feed("gry") == "hungry"


@given(st.lists(st.sampled_from(["a", "se", "cret", "-key", "secret-key", "s", "x\n"]), max_size=30))
def test_however_a_text_is_cut_the_secret_never_shows(pieces: list[str]) -> None:
    redactor = Redactor(["secret-key"])
    stream = redactor.stream()
    shown = "".join(stream.feed(piece) for piece in pieces) + stream.rest()
    assert "secret-key" not in shown
    assert shown == redactor.clean("".join(pieces))
