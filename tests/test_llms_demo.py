"""The built-in demo model: what it asks for, with which arguments, in which order, and how it sums up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llms.demo import DemoClient
from llms.demo.client import answer
from llms.errors import UnknownModel
from llms.types import (
    CallDelta,
    FinishReason,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelTool,
    RequestedCall,
    Role,
    TextDelta,
)

TEXT = {"type": "string"}
NUMBER = {"type": "number"}


def tool(name: str, description: str, *required: str, **properties: Any) -> ModelTool:
    return ModelTool(name, description, {"type": "object", "properties": properties, "required": list(required)})


ALL = {
    made.name: made
    for made in (
        tool("search_web", "Search the web for pages about a topic and give the best matches with title, address and extract.", "query", query=TEXT, limit={"type": "integer", "default": 3}),
        tool("search_database", "Search the harbour database: harbours, tide gauges, tide readings and notices to mariners.", "query", query=TEXT),
        tool("send_message", "Notify the operator: the message appears at once in the live output of the run.", "message", message=TEXT),
        tool("get_weather", "Weather of a city.", "city", city=TEXT, unit={"type": "string", "enum": ["celsius", "fahrenheit"]}),
        tool("add", "Add two numbers.", "a", "b", a=NUMBER, b=NUMBER),
        tool("write_note", "Write a note.", "text", text=TEXT, urgent={"type": "boolean"}),
        tool("send_email", "Send an email.", "to", "subject", "body", to={"type": "string", "format": "email"}, subject=TEXT, body=TEXT),
        tool("roll_dice", "Roll dice.", "sides", sides={"type": "integer", "minimum": 2}),
        tool("translate_text", "Translate a text.", "text", "language", text=TEXT, language={"type": "string", "enum": ["french", "german"]}),
        tool("calculate", "Evaluate an arithmetic expression.", "expression", expression=TEXT),
        tool("fetch_url", "Fetch a page.", "url", url={"type": "string", "format": "uri"}),
        tool("tag_items", "Tag items.", "items", items={"type": "array", "items": TEXT}),
    )
}  # fmt: skip
REFERENCE = ("search_web", "search_database", "send_message")
Calls = list[tuple[str, dict[str, Any]]]


def ask(message: str, names: tuple[str, ...] = REFERENCE, **how: Any) -> ModelResponse:
    history = (ModelMessage(Role.SYSTEM, "You search the web."), ModelMessage(Role.USER, message))
    how = {"parallel": True, "messages": history, "tools": tuple(ALL[name] for name in names), **how}
    return answer(ModelRequest("planner", **how))


def calls_of(response: ModelResponse) -> Calls:
    return [(call.name, json.loads(call.arguments)) for call in response.calls]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Look up tides on the web and in the database and send a message that you have started",
            [("search_web", {"query": "tides"}), ("search_database", {"query": "tides"}), ("send_message", {"message": "I have started"})],
        ),
        (
            "Send a message that you've started, then look up tides on the web and in the database.",
            [("send_message", {"message": "I've started"}), ("search_web", {"query": "tides"}), ("search_database", {"query": "tides"})],
        ),
        (
            "Search the database and the web for moon phases",
            [("search_database", {"query": "moon phases"}), ("search_web", {"query": "moon phases"})],
        ),
        ("Search the web for tide gauges in harbours", [("search_web", {"query": "tide gauges in harbours"})]),
        (
            "Look up tides and send a message that you have started",
            [("search_web", {"query": "tides"}), ("search_database", {"query": "tides"}), ("send_message", {"message": "I have started"})],
        ),
        (
            "Search the web for tides and search the web for eels",
            [("search_web", {"query": "tides"}), ("search_web", {"query": "eels"})],
        ),
        (
            "Tell the operator that you begin. What are spring tides?",
            [("send_message", {"message": "I begin"}), ("search_web", {"query": "spring tides"}), ("search_database", {"query": "spring tides"})],
        ),
        (
            "Please search the internet for lighthouses; also query the DB for gauges, and let the operator know you are at it",
            [("search_web", {"query": "lighthouses"}), ("search_database", {"query": "gauges"}), ("send_message", {"message": "I am at it"})],
        ),
        ("Search the web for tides and currents", [("search_web", {"query": "tides and currents"})]),
        ("Search for tides", [("search_web", {"query": "tides"}), ("search_database", {"query": "tides"})]),
        ("What are tides?", [("search_web", {"query": "tides"}), ("search_database", {"query": "tides"})]),
        ("What does the web say about eels?", [("search_web", {"query": "eels"})]),
        ("Look up tides on the web, eels in the database", [("search_web", {"query": "tides"}), ("search_database", {"query": "eels"})]),
        (
            "Find out about moon phases online, and tell the team that the web search has begun",
            [("search_web", {"query": "moon phases"}), ("send_message", {"message": "The web search has begun"})],
        ),
        ("Don't search the web, only look in the database for eels", [("search_database", {"query": "eels"})]),
        (
            "Send the message 'I am on it' and search the database for harbours",
            [("send_message", {"message": "I am on it"}), ("search_database", {"query": "harbours"})],
        ),
        (
            'Look up "spring tides" on the web and in the database',
            [("search_web", {"query": "spring tides"}), ("search_database", {"query": "spring tides"})],
        ),
        ("Search the web for tides limit 5", [("search_web", {"query": "tides", "limit": 5})]),
        (
            "Find the high tide of Norhaven in the database and lighthouses on the web",
            [("search_database", {"query": "high tide of Norhaven"}), ("search_web", {"query": "lighthouses"})],
        ),
        ("Run both searches for lighthouses", [("search_web", {"query": "lighthouses"}), ("search_database", {"query": "lighthouses"})]),
        ("Send 'one' and then send 'two'", [("send_message", {"message": "one"}), ("send_message", {"message": "two"})]),
        ("Use search_database to find eels", [("search_database", {"query": "eels"})]),
        ("Notify everyone that dinner is ready", [("send_message", {"message": "Dinner is ready"})]),
        (
            "Please call every tool about the harbour of Kiel",
            [
                ("search_web", {"query": "harbour of Kiel"}),
                ("search_database", {"query": "harbour of Kiel"}),
                ("send_message", {"message": "harbour of Kiel"}),
            ],
        ),
    ],
)  # fmt: skip
def test_a_message_names_tools_of_the_reference_agent(message: str, expected: Calls) -> None:
    response = ask(message)
    assert calls_of(response) == expected
    assert response.finish is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("What's the weather in Paris, New York and Rome?", [("get_weather", {"city": city}) for city in ("Paris", "New York", "Rome")]),
        ("How is the weather in Kiel, in fahrenheit?", [("get_weather", {"city": "Kiel", "unit": "fahrenheit"})]),
        ("Add 2 and 3", [("add", {"a": 2, "b": 3})]),
        ("Calculate 12 * (3 + 4)", [("calculate", {"expression": "12 * (3 + 4)"})]),
        ("Roll the dice three times with 20 sides", [("roll_dice", {"sides": 20})] * 3),
        ("Translate 'good morning' into german", [("translate_text", {"text": "good morning", "language": "german"})]),
        ("Fetch https://example.org/a?b=1.", [("fetch_url", {"url": "https://example.org/a?b=1"})]),
        (
            "Email bob@example.com about the meeting, saying that we start at ten",
            [("send_email", {"to": "bob@example.com", "subject": "meeting", "body": "We start at ten"})],
        ),
        ("Write a note that eels migrate; urgent: yes", [("write_note", {"text": "Eels migrate", "urgent": True})]),
        ("Tag the items red, green and blue", [("tag_items", {"items": ["red", "green", "blue"]})]),
    ],
)  # fmt: skip
def test_a_message_names_one_of_many_tools(message: str, expected: Calls) -> None:
    assert calls_of(ask(message, tuple(ALL))) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('search_web(query="x", limit=3)', [("search_web", {"query": "x", "limit": 3})]),
        ("search_web(tides, 2)", [("search_web", {"query": "tides", "limit": 2})]),
        (
            'Run send_message("hi, there") and search_database(query=\'a, "b"\') please',
            [("send_message", {"message": "hi, there"}), ("search_database", {"query": 'a, "b"'})],
        ),
        ('search_web("x")*2', [("search_web", {"query": "x"})] * 2),
        (
            "search_web*2 and send_message about tides",
            [("search_web", {"query": "tides"})] * 2 + [("send_message", {"message": "tides"})],
        ),
        ("search_web()", [("search_web", {"query": "demo"})]),
        ('search_web(query="x", nonsense=1)', [("search_web", {"query": "x", "nonsense": 1})]),
        ("send_message(12)", [("send_message", {"message": "12"})]),
    ],
)
def test_explicit_calls_are_taken_literally(message: str, expected: Calls) -> None:
    assert calls_of(ask(message)) == expected


@pytest.mark.parametrize("message", ["Hello!", "Thank you", "", "How are you?"])
def test_when_nothing_fits_it_says_what_it_could_do(message: str) -> None:
    response = ask(message)
    assert response.calls == ()
    assert response.finish is FinishReason.STOP
    assert "demo model, not an LLM" in response.text
    assert all(name in response.text for name in REFERENCE)
    assert "search_web(query=" in response.text


def test_without_tools_it_says_that_it_has_none() -> None:
    assert "no tools" in ask("Look up tides on the web", ()).text


def test_it_says_that_it_is_no_llm_when_it_asks() -> None:
    text = ask("Search the web and the database for tides").text
    assert "demo model, not an LLM" in text
    assert "search_web and search_database" in text


def in_turn(response: ModelResponse, *returns: str | Exception) -> tuple[ModelMessage, ...]:
    """The answer and its returns, as they join the history."""
    assistant = ModelMessage(Role.ASSISTANT, response.text, calls=response.calls)
    tools = (
        ModelMessage(Role.TOOL, str(text), call_id=call.id, is_error=isinstance(text, Exception))
        for call, text in zip(response.calls, returns, strict=True)
    )
    return (assistant, *tools)


def test_returns_are_summed_up_line_by_line_and_failures_named() -> None:
    user = ModelMessage(Role.USER, "Search the web and the database for tides")
    batch = ask(user.text)
    history = (user, *in_turn(batch, "Tides come\n twice a day. " + "x" * 1000, RuntimeError("no such table")))
    response = ask("", messages=history)
    assert response.calls == ()
    assert response.finish is FinishReason.STOP
    head, web, database = response.text.splitlines()
    assert "demo model, not an LLM" in head
    assert "2 tool calls, 1 of them failed" in head
    assert web.startswith("- search_web: Tides come twice a day.")
    assert len(web) < 400
    assert database == "- search_database failed: no such table"


def test_with_the_flag_off_it_asks_for_one_call_per_response_until_all_are_made() -> None:
    history: tuple[ModelMessage, ...] = (
        ModelMessage(Role.USER, "Look up tides on the web and in the database and tell us that you started"),
    )
    made: Calls = []
    while True:
        response = ask("", messages=history, parallel=False)
        if not response.calls:
            break
        assert len(response.calls) == 1
        made += calls_of(response)
        history += in_turn(response, "fine")
    assert [name for name, _ in made] == ["search_web", "search_database", "send_message"]
    assert response.text.count("- ") == 3
    ids = [call.id for message in history for call in message.calls]
    assert len(set(ids)) == 3


def test_only_the_current_turn_counts() -> None:
    user = ModelMessage(Role.USER, "Search the web for tides")
    history = (user, *in_turn(ask(user.text), "twice a day"), ModelMessage(Role.ASSISTANT, "Done"), user)
    response = ask("", messages=history)
    assert calls_of(response) == [("search_web", {"query": "tides"})]
    assert response.calls[0].id not in {call.id for message in history for call in message.calls}


def test_forced_tools_are_the_only_ones_and_one_is_called_in_any_case() -> None:
    response = ask("Search the web and the database for tides", forced_tools=("search_database",))
    assert calls_of(response) == [("search_database", {"query": "tides"})]
    assert calls_of(ask("Hello!", forced_tools=("send_message", "search_web"))) == [
        ("send_message", {"message": "Hello"})
    ]


def test_the_same_question_gets_the_same_answer() -> None:
    assert ask("Search the web and the database for tides") == ask("Search the web and the database for tides")


async def test_text_is_streamed_word_by_word_with_a_pause_after_each() -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    request = ModelRequest(
        "planner", (ModelMessage(Role.USER, "Search the web for tides"),), (ALL["search_web"],), parallel=True
    )
    events = [event async for event in DemoClient(pause=0.015, sleep=sleep).stream(request)]
    response = events[-1]
    assert isinstance(response, ModelResponse)
    words = [event.text for event in events if isinstance(event, TextDelta)]
    assert "".join(words) == response.text
    assert len(words) == len(response.text.split())
    assert [event for event in events if isinstance(event, CallDelta)] == [
        CallDelta(0, response.calls[0].id, "search_web"),
        CallDelta(0, arguments=response.calls[0].arguments),
    ]
    assert pauses == [0.015] * (len(words) + 1)


async def test_another_model_of_the_demo_is_unknown() -> None:
    with pytest.raises(UnknownModel, match="demo/planner"):
        await anext(aiter(DemoClient(pause=0).stream(ModelRequest("gpt", (ModelMessage(Role.USER, "x"),)))))


SCHEMAS: list[dict[str, Any]] = [
    {"type": "string", "minLength": 3, "maxLength": 8},
    {"type": "string", "enum": ["red", "green"]},
    {"type": "string", "format": "date"},
    {"type": "string", "format": "date-time"},
    {"type": "string", "format": "email"},
    {"type": "string", "format": "uuid"},
    {"type": "integer", "minimum": 10, "maximum": 20},
    {"type": "integer", "exclusiveMinimum": 3, "multipleOf": 5},
    {"type": "number", "exclusiveMaximum": 0.5},
    {"type": "boolean"},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
    {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
    {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    {"type": ["string", "null"]},
    {"const": "fixed"},
    {"type": "null"},
    {"enum": [1, "two", None]},
    {"allOf": [{"type": "integer"}, {"minimum": 7}]},
    {"$ref": "#/$defs/point"},
    {},
]
DEFINITIONS = {
    "point": {"type": "object", "properties": {"x": NUMBER, "next": {"$ref": "#/$defs/point"}}, "required": ["x"]}
}
WORDS = (
    "search",
    "tides",
    "3",
    "-7.5",
    "red",
    "it",
    "and",
    '"quoted"',
    "x=4",
    "no",
    "in Paris",
    "2026-01-02",
    "a@b.co",
    "(",
    "é",
    "tool",
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(("a", "message", "query", "count", "city", "date", "to", "it")),
        st.sampled_from(SCHEMAS),
        min_size=1,
    ),
    st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join),
    st.booleans(),
)
def test_required_arguments_are_valid_whatever_the_message_says(
    properties: dict[str, Any], message: str, literal: bool
) -> None:
    schema = {"type": "object", "properties": properties, "required": list(properties), "$defs": DEFINITIONS}
    made = ModelTool("do_it", "Does it.", schema)
    response = ask(f"do_it() {message}" if literal else f"do_it {message}", (), tools=(made,))
    arguments = json.loads(response.calls[0].arguments)
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(arguments)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80), st.booleans())
def test_any_message_gets_an_answer(message: str, parallel: bool) -> None:
    response = ask(message, tuple(ALL), parallel=parallel)
    assert response.text
    assert all(isinstance(json.loads(call.arguments), dict) for call in response.calls)
    assert all(isinstance(call, RequestedCall) and call.name in ALL for call in response.calls)
    assert parallel or len(response.calls) <= 1
