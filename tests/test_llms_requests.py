"""What is written into a request, where the wire alone does not show it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llms import anthropic_request, openai_request
from llms.catalogue import describe
from llms.provider_errors import read_retry_after
from llms.thinking_blocks import Layout, write_blocks
from llms.types import ModelMessage, ModelRequest, ModelTool, RequestedCall, Role

TOOLS = tuple(ModelTool(name, "", {"type": "object", "properties": {}}) for name in ("a", "b"))
USER = ModelMessage(Role.USER, "hello")


def to_openai(model: str, *, official: bool = False, **how: Any) -> dict[str, Any]:
    request = ModelRequest(model, (USER,), **how)
    return openai_request.write_request(request, describe(f"openai/{model}"), is_official=official)


def to_claude(model: str, **how: Any) -> dict[str, Any]:
    return anthropic_request.write_request(ModelRequest(model, (USER,), **how), describe(f"anthropic/{model}"))


@pytest.mark.parametrize(
    ("url", "official"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://x.openai.azure.com/openai/v1", True),
        ("https://openai.com.example.org/v1", False),
        ("https://notopenai.com/v1", False),
        ("http://127.0.0.1:11434/v1", False),
    ],
)
def test_only_openais_own_hosts_are_official(url: str, official: bool) -> None:
    assert openai_request.is_official(url) is official


@pytest.mark.parametrize(
    ("model", "official", "name"),
    [
        ("gpt-4.1", True, "max_completion_tokens"),
        ("gpt-5", True, "max_completion_tokens"),
        ("gpt-5", False, "max_completion_tokens"),
        ("llama3", False, "max_tokens"),
        ("gpt-4.1", False, "max_tokens"),
    ],
)
def test_the_limit_has_the_name_that_the_endpoint_knows(model: str, official: bool, name: str) -> None:
    body = to_openai(model, official=official, max_output_tokens=9)
    assert {key: value for key, value in body.items() if key.startswith("max_")} == {name: 9}


@pytest.mark.parametrize(
    ("model", "tools", "effort", "sent"),
    [
        ("gpt-5.6-sol", TOOLS, "high", "none"),
        ("gpt-5.6-sol", TOOLS, None, "none"),
        ("gpt-5.6-sol", (), "high", "high"),
        ("gpt-5.6-sol", (), None, None),
        ("o3", TOOLS, "low", "low"),
        ("gpt-4.1", TOOLS, "low", None),
    ],
)
def test_reasoning_is_switched_off_only_where_tools_demand_it(
    model: str, tools: tuple[ModelTool, ...], effort: str | None, sent: str | None
) -> None:
    assert to_openai(model, tools=tools, reasoning_effort=effort).get("reasoning_effort") == sent


def test_the_system_message_comes_first_wherever_it_stood() -> None:
    request = ModelRequest(
        "gpt-4.1", (USER, ModelMessage(Role.SYSTEM, "Be brief."), ModelMessage(Role.ASSISTANT, "Yes"))
    )
    body = openai_request.write_request(request, describe("openai/gpt-4.1"), is_official=True)
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant"]


@pytest.mark.parametrize(
    ("model", "how", "thinking", "effort"),
    [
        ("claude-sonnet-4-5", {}, None, None),
        ("claude-sonnet-4-5", {"thinking_budget": 2000}, {"type": "enabled", "budget_tokens": 2000}, None),
        ("claude-sonnet-4-5", {"thinking_budget": 10}, {"type": "enabled", "budget_tokens": 1024}, None),
        ("claude-sonnet-4-5", {"thinking_budget": 99_000}, {"type": "enabled", "budget_tokens": 15_999}, None),
        ("claude-sonnet-4-5", {"thinking_budget": 2000, "forced_tools": ("a",), "tools": TOOLS}, None, None),
        ("claude-opus-4-7", {"thinking_budget": 2000}, {"type": "adaptive", "display": "summarized"}, None),
        ("claude-opus-4-7", {}, None, None),
        ("claude-opus-5-5", {"reasoning_effort": "minimal"}, {"type": "adaptive", "display": "summarized"}, "low"),
        ("claude-opus-5", {"forced_tools": ("a",), "tools": TOOLS}, {"type": "disabled"}, None),
        ("claude-3-5-haiku", {"thinking_budget": 2000}, None, None),
    ],
)
def test_claude_is_told_to_think_in_the_way_it_knows(
    model: str, how: dict[str, Any], thinking: dict[str, Any] | None, effort: str | None
) -> None:
    body = to_claude(model, **how)
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_a_claude_that_cannot_be_forced_is_only_offered_the_forced_tools() -> None:
    body = to_claude("claude-opus-5-5", tools=TOOLS, forced_tools=("b",), parallel=True)
    assert [tool["name"] for tool in body["tools"]] == ["b"]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": False}


@pytest.mark.parametrize(("wished", "sent"), [(None, 16_000), (100, 100), (1_000_000, 64_000)])
def test_claudes_limit_keeps_to_the_models(wished: int | None, sent: int) -> None:
    assert to_claude("claude-haiku-4-5", max_output_tokens=wished)["max_tokens"] == sent


def _answered(signature: str, text: str = "oneTWO") -> ModelMessage:
    calls = (RequestedCall("x1", "a", "{}"), RequestedCall("x2", "b", '{"n": 1}'))
    return ModelMessage(Role.ASSISTANT, text, calls=calls, reasoning="hmso", reasoning_signature=signature)


def _layout() -> Layout:
    layout = Layout("claude-x")
    layout.note_thinking(2, "s1")
    layout.note_text(3)
    layout.note_call()
    layout.note_redacted("secret")
    layout.note_thinking(2, "s2")
    layout.note_text(3)
    layout.note_call()
    return layout


def test_claudes_blocks_go_back_in_their_order() -> None:
    assert write_blocks(_answered(_layout().sign()), "claude-x") == [
        {"type": "thinking", "thinking": "hm", "signature": "s1"},
        {"type": "text", "text": "one"},
        {"type": "tool_use", "id": "x1", "name": "a", "input": {}},
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "thinking", "thinking": "so", "signature": "s2"},
        {"type": "text", "text": "TWO"},
        {"type": "tool_use", "id": "x2", "name": "b", "input": {"n": 1}},
    ]


@pytest.mark.parametrize(
    ("signature", "model", "text"),
    [
        (_layout().sign(), "claude-y", "oneTWO"),
        (_layout().sign(), "claude-x", "changed since"),
        ("an opaque signature", "claude-x", "oneTWO"),
        (json.dumps({"model": "claude-x", "blocks": [[]]}), "claude-x", "oneTWO"),
        ("[]", "claude-x", "oneTWO"),
    ],
)
def test_thinking_that_cannot_be_sent_back_truthfully_is_left_out(signature: str, model: str, text: str) -> None:
    kinds = [block["type"] for block in write_blocks(_answered(signature, text), model)]
    assert kinds == ["text", "tool_use", "tool_use"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:10 GMT"}, 0.0),
    ],
)
def test_how_long_the_provider_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers) == seconds
