"""Both adapters against the stub provider, on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable

import pytest

from llms.anthropic_client import AnthropicClient
from llms.errors import (
    BadKey,
    BadRequest,
    ContextTooLong,
    ModelError,
    RefusedParallelParameter,
    TruncatedResponse,
    Unavailable,
    UnknownModel,
)
from llms.openai_client import OpenAIClient
from llms.providers import ProviderClient
from llms.types import (
    CallDelta,
    FinishReason,
    ModelEvent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelTool,
    ReasoningDelta,
    RequestedCall,
    Role,
    TextDelta,
)
from tests.provider_fixtures import ProviderStub

TOOLS = tuple(ModelTool(name, f"Does {name}.", {"type": "object", "properties": {}}) for name in ("a", "b", "c"))
MODELS = {"openai": "gpt-4.1", "anthropic": "claude-opus-4-5"}


@pytest.fixture(params=["openai", "anthropic"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def client(dialect: str, provider_stub: ProviderStub) -> AsyncIterator[ProviderClient]:
    made: ProviderClient
    if dialect == "openai":
        made = OpenAIClient(base_url=provider_stub.openai_url, api_key="sk-secret")
    else:
        made = AnthropicClient(base_url=provider_stub.anthropic_url, api_key="sk-secret")
    yield made
    await made.aclose()


@pytest.fixture
def question(dialect: str) -> Callable[..., ModelRequest]:
    def ask(text: str, *, tools: tuple[ModelTool, ...] = TOOLS, model: str = "", **how: object) -> ModelRequest:
        messages = how.pop("messages", (ModelMessage(Role.USER, text),))
        return ModelRequest(model or MODELS[dialect], messages, tools, **how)  # type: ignore[arg-type]

    return ask


Ask = Callable[..., ModelRequest]


async def listen(client: ProviderClient, request: ModelRequest) -> tuple[list[ModelEvent], ModelResponse]:
    events = [event async for event in client.stream(request)]
    response = events[-1]
    assert isinstance(response, ModelResponse)
    assert not any(isinstance(event, ModelResponse) for event in events[:-1])
    return events[:-1], response


async def test_text_arrives_in_pieces_that_make_up_the_response(client: ProviderClient, question: Ask) -> None:
    deltas, response = await listen(client, question("FINAL The tide comes in twice a day."))
    texts = [delta.text for delta in deltas if isinstance(delta, TextDelta)]
    assert len(texts) > 1
    assert "".join(texts) == response.text == "The tide comes in twice a day."
    assert response.finish is FinishReason.STOP
    assert (response.usage.prompt_tokens, response.usage.completion_tokens) == (100, 20)
    assert response.usage.cached_input_tokens == 40


async def test_several_calls_in_one_response_keep_order_and_arguments(client: ProviderClient, question: Ask) -> None:
    deltas, response = await listen(client, question("CALL a(n=3;s=hello),b*2,c\nTHINK On it"))
    assert [call.name for call in response.calls] == ["a", "b", "b", "c"]
    assert json.loads(response.calls[0].arguments) == {"n": 3, "s": "hello"}
    assert response.calls[1].arguments == "{}"
    assert len({call.id for call in response.calls}) == 4
    assert (response.finish, response.text) == (FinishReason.TOOL_CALLS, "On it")
    pieces = [delta for delta in deltas if isinstance(delta, CallDelta)]
    for index, call in enumerate(response.calls):
        own = [piece for piece in pieces if piece.index == index]
        assert (own[0].id, own[0].name) == (call.id, call.name)
        assert all(not piece.id and not piece.name for piece in own[1:])
        assert "".join(piece.arguments for piece in own) in (call.arguments, "")


@pytest.mark.parametrize("parallel", [True, False])
async def test_the_parallel_flag_is_on_the_wire(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str, parallel: bool
) -> None:
    await listen(client, question("hello", parallel=parallel))
    (body,) = provider_stub.last()
    if dialect == "openai":
        assert body["parallel_tool_calls"] is parallel
        assert "tool_choice" not in body
    else:
        assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": not parallel}


@pytest.mark.parametrize("parallel", [True, False])
async def test_without_tools_nothing_is_said_of_parallel_calls(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, parallel: bool
) -> None:
    await listen(client, question("hello", tools=(), parallel=parallel))
    (body,) = provider_stub.last()
    assert not {"parallel_tool_calls", "tool_choice", "tools"} & set(body)


async def test_a_model_that_refuses_the_parameter_is_not_sent_it(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str
) -> None:
    await listen(client, question("hello", parallel=False, sends_parallel=False))
    (body,) = provider_stub.last()
    assert "parallel_tool_calls" not in body
    assert body.get("tool_choice") == (None if dialect == "openai" else {"type": "auto"})


@pytest.mark.parametrize("parallel", [True, False])
async def test_one_forced_tool_is_named(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str, parallel: bool
) -> None:
    _, response = await listen(client, question("FORCED", forced_tools=("b",), parallel=parallel))
    assert [call.name for call in response.calls] == ["b"]
    assert response.finish is FinishReason.TOOL_CALLS
    (entry,) = provider_stub.log()
    assert entry["parallel"] is parallel
    if dialect == "openai":
        assert entry["tool_choice"] == {"type": "function", "function": {"name": "b"}}
    else:
        assert entry["tool_choice"] == {"type": "tool", "name": "b", "disable_parallel_tool_use": not parallel}


async def test_several_forced_tools_are_the_only_ones_offered(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str
) -> None:
    await listen(client, question("FORCED", forced_tools=("a", "c")))
    (entry,) = provider_stub.log()
    assert entry["tools"] == ["a", "c"]
    expected = "required" if dialect == "openai" else {"type": "any", "disable_parallel_tool_use": True}
    assert entry["tool_choice"] == expected


async def test_returns_of_a_batch_go_back_in_order_before_the_next_user_text(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str
) -> None:
    messages = (
        ModelMessage(Role.SYSTEM, "Be brief."),
        ModelMessage(Role.USER, "go"),
        ModelMessage(
            Role.ASSISTANT, "On it", calls=(RequestedCall("x1", "a", '{"n": 1}'), RequestedCall("x2", "b", "{}"))
        ),
        ModelMessage(Role.TOOL, "one", call_id="x1"),
        ModelMessage(Role.TOOL, "no", call_id="x2", is_error=True),
        ModelMessage(Role.USER, "FINAL fine"),
    )
    _, response = await listen(client, question("", messages=messages))
    assert response.text == "fine"
    (body,) = provider_stub.last()
    if dialect == "openai":
        assert [message["role"] for message in body["messages"]] == [
            "system",
            "user",
            "assistant",
            "tool",
            "tool",
            "user",
        ]
        assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "a", "arguments": '{"n": 1}'}
    else:
        assert body["system"][0]["text"] == "Be brief."
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        kinds = [(block["type"], block.get("is_error", False)) for block in body["messages"][2]["content"]]
        assert kinds == [("tool_result", False), ("tool_result", True), ("text", False)]


@pytest.mark.parametrize("orphan", [True, False])
async def test_a_history_with_an_unanswered_call_or_an_orphan_return_is_refused(
    client: ProviderClient, question: Ask, orphan: bool
) -> None:
    call = ModelMessage(Role.ASSISTANT, calls=(RequestedCall("x1", "a", "{}"),))
    stray = ModelMessage(Role.TOOL, "?", call_id="other")
    messages = (ModelMessage(Role.USER, "go"), *((stray,) if orphan else (call,)), ModelMessage(Role.USER, "again"))
    with pytest.raises(BadRequest, match=r"tool_use|tool_call|role 'tool'"):
        await listen(client, question("", messages=messages))


@pytest.mark.parametrize("marks", ["", "CALL a(s=hello)"])
async def test_a_stream_without_a_finish_reason_is_refused(client: ProviderClient, question: Ask, marks: str) -> None:
    events: list[ModelEvent] = []
    note = events.append
    with pytest.raises(TruncatedResponse):
        async for event in client.stream(question(f"{marks} TRUNCATE")):
            note(event)
    assert events
    assert not any(isinstance(event, ModelResponse) for event in events)


async def test_a_connection_cut_midway_is_worth_another_try(client: ProviderClient, question: Ask) -> None:
    with pytest.raises(Unavailable, match="out of reach"):
        await listen(client, question("CALL a(s=hello),b CUT STREAMDELAY 5"))


@pytest.mark.parametrize(("mark", "finish"), [("LENGTH", FinishReason.LENGTH), ("FILTER", FinishReason.FILTER)])
async def test_an_answer_that_was_cut_short_says_so(
    client: ProviderClient, question: Ask, mark: str, finish: FinishReason
) -> None:
    _, response = await listen(client, question(f"CALL a(s=hello) {mark}"))
    assert response.finish is finish


async def test_calls_that_share_an_id_stay_apart(client: ProviderClient, question: Ask) -> None:
    _, response = await listen(client, question("CALL a(n=1),b(n=2),c(n=3) SAMEIDS"))
    assert [(call.id, call.name, json.loads(call.arguments)["n"]) for call in response.calls] == [
        ("call_0", "a", 1),
        ("call_0", "b", 2),
        ("call_0", "c", 3),
    ]


async def test_calls_without_ids_stay_apart(client: ProviderClient, question: Ask) -> None:
    _, response = await listen(client, question("CALL a(n=1),a(n=2) NOIDS"))
    assert [(call.id, json.loads(call.arguments)["n"]) for call in response.calls] == [("", 1), ("", 2)]


async def test_malformed_arguments_pass_through_and_can_be_sent_back(client: ProviderClient, question: Ask) -> None:
    _, response = await listen(client, question("CALL a(n=1) BADJSON"))
    (call,) = response.calls
    with pytest.raises(ValueError):
        json.loads(call.arguments)
    messages = (
        ModelMessage(Role.USER, "CALL a BADJSON"),
        ModelMessage(Role.ASSISTANT, calls=response.calls),
        ModelMessage(Role.TOOL, "malformed JSON", call_id=call.id, is_error=True),
    )
    _, response = await listen(client, question("", messages=messages))
    assert response.text == "done: 1 tool results"


async def test_a_history_with_calls_can_be_sent_when_no_tools_are_left(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, dialect: str
) -> None:
    messages = (
        ModelMessage(Role.USER, "go"),
        ModelMessage(Role.ASSISTANT, calls=(RequestedCall("x1", "gone", "{}"),)),
        ModelMessage(Role.TOOL, "one", call_id="x1"),
    )
    await listen(client, question("", messages=messages, tools=()))
    if dialect == "anthropic":
        (body,) = provider_stub.last()
        assert (body["tools"][0]["name"], body["tool_choice"]) == ("gone", {"type": "none"})


@pytest.mark.parametrize(
    ("marks", "error", "words"),
    [
        ("BADKEY", BadKey, "_API_KEY"),
        ("NOMODEL", UnknownModel, "does not know"),
        ("TOOLONG", ContextTooLong, "context window"),
        ("FAIL 422", BadRequest, "stub failure 422"),
        ("FAIL 429", Unavailable, "429"),
        ("FAIL 503", Unavailable, "503"),
        ("FAIL 529", Unavailable, "529"),
        ("OVERLOADED", Unavailable, "verloaded"),
    ],
)
async def test_refusals_become_errors_that_say_what_to_do(
    client: ProviderClient, question: Ask, marks: str, error: type[ModelError], words: str
) -> None:
    with pytest.raises(error, match=words):
        await listen(client, question(marks))


async def test_the_sdk_does_not_retry_and_the_wait_that_was_asked_for_is_kept(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub
) -> None:
    with pytest.raises(Unavailable) as caught:
        await listen(client, question("FAIL 429 RETRYAFTER 7"))
    assert caught.value.retry_after == 7
    assert len(provider_stub.log()) == 1


async def test_nobody_at_home_is_unavailable(dialect: str, question: Ask) -> None:
    made: ProviderClient
    if dialect == "openai":
        made = OpenAIClient(base_url="http://127.0.0.1:9/v1", api_key="k")
    else:
        made = AnthropicClient(base_url="http://127.0.0.1:9", api_key="k")
    with pytest.raises(Unavailable, match="out of reach"):
        await listen(made, question("hello"))
    await made.aclose()


async def test_the_key_given_is_the_key_sent_whatever_the_environment_says(
    client: ProviderClient, question: Ask, provider_stub: ProviderStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-environment")
    await listen(client, question("hello"))
    assert provider_stub.log()[0]["key"] == "sk-secret"


async def test_live_models_are_listed(client: ProviderClient, dialect: str) -> None:
    expected = "gpt-4.1" if dialect == "openai" else "claude-sonnet-4-5"
    assert expected in await client.list_models()


@pytest.fixture
async def openai(provider_stub: ProviderStub) -> AsyncIterator[OpenAIClient]:
    made = OpenAIClient(base_url=provider_stub.openai_url, api_key="k")
    yield made
    await made.aclose()


def _ask_openai(text: str, **how: object) -> ModelRequest:
    how = {"model": "gpt-4.1", "messages": (ModelMessage(Role.USER, text),), "tools": TOOLS, **how}
    return ModelRequest(**how)  # type: ignore[arg-type]


async def test_an_endpoint_that_refuses_the_parallel_parameter_is_told_apart(openai: OpenAIClient) -> None:
    with pytest.raises(RefusedParallelParameter):
        await listen(openai, _ask_openai("REFUSEPARALLEL", parallel=True))
    _, response = await listen(openai, _ask_openai("REFUSEPARALLEL FINAL ok", sends_parallel=False))
    assert response.text == "ok"


async def test_pieces_without_an_index_are_put_together(openai: OpenAIClient) -> None:
    _, response = await listen(openai, _ask_openai("CALL a(n=1),b(n=22),a(n=3) NOINDEX"))
    assert [(call.name, json.loads(call.arguments)["n"]) for call in response.calls] == [("a", 1), ("b", 22), ("a", 3)]


async def test_reasoning_of_compatible_endpoints_is_streamed(openai: OpenAIClient) -> None:
    deltas, response = await listen(openai, _ask_openai("REASON let me think\nFINAL yes"))
    assert "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta)) == "let me think"
    assert (response.reasoning, response.text) == ("let me think", "yes")


@pytest.mark.parametrize(
    ("model", "is_sent"), [("gpt-4.1", True), ("o3", False), ("gpt-5-mini", False), ("llama3", True)]
)
async def test_temperature_is_left_out_for_models_that_refuse_it(
    openai: OpenAIClient, provider_stub: ProviderStub, model: str, is_sent: bool
) -> None:
    await listen(openai, _ask_openai("hello", model=model, temperature=0.5))
    assert ("temperature" in provider_stub.last()[0]) is is_sent


async def test_an_endpoint_of_others_is_told_the_limit_by_its_old_name(
    openai: OpenAIClient, provider_stub: ProviderStub
) -> None:
    await listen(openai, _ask_openai("hello", model="llama3", max_output_tokens=50))
    assert provider_stub.last()[0]["max_tokens"] == 50
    await listen(openai, _ask_openai("hello", model="o3", max_output_tokens=50))
    assert provider_stub.last()[0]["max_completion_tokens"] == 50


@pytest.fixture
async def anthropic(provider_stub: ProviderStub) -> AsyncIterator[AnthropicClient]:
    made = AnthropicClient(base_url=provider_stub.anthropic_url, api_key="k")
    yield made
    await made.aclose()


async def test_signed_thinking_goes_back_to_the_model_it_came_from(
    anthropic: AnthropicClient, provider_stub: ProviderStub
) -> None:
    user = ModelMessage(Role.USER, "CALL a\nREASON hmm, let me see\nTHINK On it")
    asked = ModelRequest("claude-opus-4-5", (user,), TOOLS, thinking_budget=2000)
    deltas, response = await listen(anthropic, asked)
    assert provider_stub.last()[0]["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert "".join(delta.text for delta in deltas if isinstance(delta, ReasoningDelta)) == "hmm, let me see"
    answered = ModelMessage(
        Role.ASSISTANT,
        response.text,
        calls=response.calls,
        reasoning=response.reasoning,
        reasoning_signature=response.reasoning_signature,
    )
    history = (user, answered, ModelMessage(Role.TOOL, "one", call_id=response.calls[0].id))
    await listen(anthropic, ModelRequest("claude-opus-4-5", history, TOOLS))
    sent = provider_stub.last()[0]["messages"][1]["content"]
    assert sent[0] == {"type": "thinking", "thinking": "hmm, let me see", "signature": "signed-by-stub"}
    assert [block["type"] for block in sent] == ["thinking", "text", "tool_use"]
    await listen(anthropic, ModelRequest("claude-haiku-4-5", history, TOOLS))
    sent = provider_stub.last()[0]["messages"][1]["content"]
    assert [block["type"] for block in sent] == ["text", "tool_use"]


async def test_claude_is_never_sent_a_temperature_and_always_a_limit(
    anthropic: AnthropicClient, provider_stub: ProviderStub
) -> None:
    request = ModelRequest("claude-opus-4-5", (ModelMessage(Role.USER, "hello"),), temperature=0.3)
    await listen(anthropic, request)
    (body,) = provider_stub.last()
    assert "temperature" not in body
    assert body["max_tokens"] >= 4096
