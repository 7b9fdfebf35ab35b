"""Arguments that the model wrote are used or refused with a message it can act on (rule 2.3)."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arguments import MAX_CHARACTERS, MAX_DEPTH, ArgumentProblem, Arguments, check_arguments

SEARCH: dict[str, Any] = {
    "type": "object",
    "properties": {
        "query": {"type": "string", "description": "what"},
        "limit": {"type": "integer", "description": "how many"},
        "unit": {"type": "string", "enum": ["m", "ft"], "description": "unit"},
        "ratio": {"type": "number", "description": "share"},
    },
    "required": ["query"],
}
NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "required": []}


def values(raw: str, schema: dict[str, Any] = SEARCH) -> dict[str, Any]:
    checked = check_arguments(raw, schema)
    assert isinstance(checked, Arguments), checked
    return checked.values


def refusal(raw: str, schema: dict[str, Any] = SEARCH) -> str:
    checked = check_arguments(raw, schema)
    assert isinstance(checked, ArgumentProblem), checked
    return checked.message


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ('{"query": "tides"}', {"query": "tides"}),
        ('  {"query": "tides", "limit": 3}\n', {"query": "tides", "limit": 3}),
        ('{"query": "\\ud800"}', {"query": "\ud800"}),
        ('{"query": "a", "query": "b"}', {"query": "b"}),
        ('{"query": "a", "extra": [1]}', {"query": "a", "extra": [1]}),
    ],
)
def test_arguments_that_fit_are_given_as_they_are(raw: str, expected: dict[str, Any]) -> None:
    assert values(raw) == expected


@pytest.mark.parametrize("raw", ["", "  ", "\n", "{}"])
def test_an_empty_text_is_no_arguments_at_all(raw: str) -> None:
    assert values(raw, NO_PARAMETERS) == {}
    assert "query: is required, but missing" in refusal(raw)


def test_nan_and_infinity_are_read_as_python_reads_them() -> None:
    read = values('{"query": "a", "ratio": NaN}')
    assert math.isnan(read["ratio"])
    assert values('{"query": "a", "ratio": -Infinity}')["ratio"] == -math.inf


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ('{"query": "a" "b"}', ["not valid JSON", "line 1, column 15", "character 14 of 18"]),
        ('{"query": "a",\n "limit": }', ["not valid JSON", "line 2, column 11"]),
        ('{"query": "a"', ["not valid JSON"]),
        ("query=tides", ["not valid JSON", "line 1, column 1", "query=tides"]),
        ('["tides"]', ["must be one JSON object", "an array"]),
        ('"tides"', ["must be one JSON object", 'the string "tides"']),
        ("null", ["must be one JSON object", "null"]),
        ("true", ["must be one JSON object", "the boolean true"]),
        ("3", ["must be one JSON object", "the number 3"]),
        ('{"limit": ' + "9" * 5000 + "}", ["cannot be read", "digits"]),
    ],
)
def test_text_that_is_no_object_is_refused_with_the_place(raw: str, parts: list[str]) -> None:
    message = refusal(raw)
    assert [part for part in parts if part not in message] == []
    assert message.endswith("Call it again with corrected arguments.")


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("{}", "- query: is required, but missing"),
        ('{"query": 1}', "- query: must be a string, but is the number 1"),
        ('{"query": null}', "- query: must be a string, but is null"),
        ('{"query": {"a": 1}}', "- query: must be a string, but is an object"),
        ('{"query": "a", "limit": "many"}', '- limit: must be an integer, but is the string "many"'),
        ('{"query": "a", "limit": 1.5}', "- limit: must be an integer, but is the number 1.5"),
        ('{"query": "a", "limit": true}', "- limit: must be an integer, but is the boolean true"),
        ('{"query": "a", "unit": "km"}', '- unit: must be one of "m", "ft", but is the string "km"'),
    ],
)
def test_a_mismatch_names_the_argument_and_what_it_must_be(raw: str, line: str) -> None:
    assert line in refusal(raw).splitlines()


def test_every_mismatch_is_listed_at_once() -> None:
    lines = refusal('{"limit": "x", "unit": 3}').splitlines()
    assert len([line for line in lines if line.startswith("- ")]) == 3


def test_at_most_five_mismatches_are_listed() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(9)}}
    lines = refusal(json.dumps({f"p{n}": n for n in range(9)}), schema).splitlines()
    assert len([line for line in lines if "must be a string" in line]) == 5
    assert "- and more of the kind" in lines


def test_a_mismatch_within_lists_and_objects_has_its_path() -> None:
    day = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    schema = {"type": "object", "properties": {"days": {"type": "array", "items": day}}}
    message = refusal('{"days": [{"at": "x"}, {"at": 2}, {}]}', schema)
    assert "- days[1].at: must be a string, but is the number 2" in message
    assert "- days[2].at: is required, but missing" in message


def test_null_for_an_argument_that_may_be_left_out_counts_as_leaving_it_out() -> None:
    assert values('{"query": "a", "limit": null}') == {"query": "a"}


def test_null_is_kept_where_the_schema_names_it() -> None:
    nullable = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    schema = {"type": "object", "properties": {"limit": nullable, "unit": {"type": "string"}}}
    assert values('{"limit": null, "unit": null}', schema) == {"limit": None}


@pytest.mark.parametrize("raw", ["[" * 100_000, '{"query":' * 50_000, '{"query": ' + "[" * 500 + "]" * 500 + "}"])
def test_deep_nesting_is_refused_not_crashed_on(raw: str) -> None:
    assert f"more than {MAX_DEPTH} levels" in refusal(raw) or "not valid JSON" in refusal(raw)


def test_nesting_up_to_the_limit_is_accepted() -> None:
    inner = MAX_DEPTH - 1
    assert "x" in values('{"x": ' + "[" * inner + "]" * inner + "}", NO_PARAMETERS)
    assert "levels" in refusal('{"x": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}", NO_PARAMETERS)


def test_a_huge_text_is_refused_with_its_size() -> None:
    assert f"{MAX_CHARACTERS + 2:,} characters" in refusal('"' + "x" * MAX_CHARACTERS + '"')


def test_a_huge_wrong_value_is_not_repeated_to_the_model() -> None:
    assert len(refusal(json.dumps({"query": "a", "unit": "y" * 500_000}))) < 1_000
    assert len(refusal(json.dumps({"query": "a" * 500_000}), {"properties": {"query": {"maxLength": 3}}})) < 1_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "#"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"query": {"$ref": "#/$defs/missing"}}},
        {"properties": {"query": {"pattern": "("}}},
    ],
)
def test_a_broken_schema_is_said_to_be_the_tools_fault(schema: dict[str, Any]) -> None:
    message = refusal('{"query": "a"}', schema)
    assert "its own parameter schema cannot be applied" in message
    assert "Repeating the call does not help" in message


def test_a_foreign_schema_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: asked.append(args))
    refusal('{"query": "a"}', {"$ref": "https://example.org/schema.json"})
    assert asked == []


def test_definitions_within_the_schema_are_followed() -> None:
    schema = {"properties": {"query": {"$ref": "#/$defs/text"}}, "$defs": {"text": {"type": "string"}}}
    assert values('{"query": "a"}', schema) == {"query": "a"}
    assert "- query: must be a string" in refusal('{"query": 1}', schema)


def test_an_older_draft_is_read_by_its_own_rules() -> None:
    pair = {"type": "array", "items": [{"type": "integer"}, {"type": "string"}]}
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"pair": pair}}
    assert values('{"pair": [1, "a"]}', schema) == {"pair": [1, "a"]}
    assert "- pair[1]: must be a string" in refusal('{"pair": [1, 2]}', schema)


def test_a_changed_schema_takes_effect_at_once() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert values('{"a": "1"}', schema) == {"a": "1"}
    schema["properties"] = {"a": {"type": "integer"}}
    assert "must be an integer" in refusal('{"a": "1"}', schema)


@given(st.text())
def test_any_text_gets_an_answer_not_an_exception(raw: str) -> None:
    assert isinstance(check_arguments(raw, SEARCH), Arguments | ArgumentProblem)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.sampled_from(["query", "limit", "unit", "ratio", "more"]), _JSON))
def test_what_is_accepted_has_the_types_that_the_tool_expects(written: dict[str, Any]) -> None:
    checked = check_arguments(json.dumps(written), SEARCH)
    if isinstance(checked, Arguments):
        assert isinstance(checked.values["query"], str)
        assert isinstance(checked.values.get("limit", 0), int | float)
        assert checked.values.get("unit", "m") in {"m", "ft"}
    else:
        assert checked.message
