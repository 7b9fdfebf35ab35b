"""The bundled catalogue: what is known of a model before anybody is asked, so that pages and requests work without a key.

`describe` answers for every handle: the model itself, else its family (the longest known prefix), else careful
defaults. The live lists of the providers are merged over it in `llms.listing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache


class Thinking(StrEnum):
    """How a Claude model is told to think: not at all, with a budget of tokens, or as it sees fit."""

    NONE = "none"
    BUDGET = "budget"
    ADAPTIVE = "adaptive"


@dataclass(frozen=True, slots=True)
class CatalogueModel:
    """One model. Windows are in tokens.

    `supports_parallel_parameter` is false where `parallel_tool_calls` is answered with 400 (rule 1.2).
    `tools_need_no_effort`: chat completions takes tools only with an explicit `reasoning_effort` of "none".
    `thinks_by_default`: thinks unless told not to, so that a forced tool needs thinking switched off.
    `supports_forced_tools` is false where a forced `tool_choice` is answered with 400.
    `is_known` is false for a model that neither the catalogue nor a family names.
    """

    handle: str
    display_name: str
    provider: str
    context_window: int
    max_output_tokens: int
    supports_parallel_parameter: bool = True
    supports_temperature: bool = True
    supports_reasoning: bool = False
    supports_forced_tools: bool = True
    tools_need_no_effort: bool = False
    thinking: Thinking = Thinking.NONE
    thinks_by_default: bool = False
    is_known: bool = True

    @property
    def model(self) -> str:
        """The handle without its provider."""
        return self.handle.partition("/")[2]


def catalogue() -> tuple[CatalogueModel, ...]:
    """Every bundled model, by provider, newest family first."""
    return _MODELS


@lru_cache(maxsize=1024)
def describe(handle: str) -> CatalogueModel:
    """What is known of `handle` ("provider/model"); never fails. Dated snapshots are described by their family."""
    if handle in _BY_HANDLE:
        return _BY_HANDLE[handle]
    provider, _, model = handle.partition("/")
    prefixes = [known for known in _FAMILIES if handle.startswith(known)]
    if prefixes:
        return replace(_FAMILIES[max(prefixes, key=len)], handle=handle, display_name=model)
    return replace(_UNKNOWN.get(provider, _PLAIN), handle=handle, display_name=model or handle, provider=provider)


def _openai(model: str, name: str, window: int, output: int) -> CatalogueModel:
    return CatalogueModel(f"openai/{model}", name, "openai", window, output)


def _o_series(model: str, name: str, window: int = 200_000, output: int = 100_000) -> CatalogueModel:
    """o1, o3, o4: refuse the parallel parameter and any temperature."""
    plain = _openai(model, name, window, output)
    return replace(plain, supports_parallel_parameter=False, supports_temperature=False, supports_reasoning=True)


def _gpt5(model: str, name: str, window: int = 400_000) -> CatalogueModel:
    """GPT-5 to 5.3: reason, refuse a temperature."""
    return replace(_openai(model, name, window, 128_000), supports_temperature=False, supports_reasoning=True)


def _gpt54(model: str, name: str, window: int = 1_050_000) -> CatalogueModel:
    """GPT-5.4 and later: chat completions refuses tools unless reasoning is switched off in so many words."""
    return replace(_gpt5(model, name, window), tools_need_no_effort=True)


def _claude(model: str, name: str, window: int, output: int, thinking: Thinking) -> CatalogueModel:
    """No Claude model is sent a temperature: the API version that the SDK speaks refuses it for all of them."""
    return CatalogueModel(
        f"anthropic/{model}",
        name,
        "anthropic",
        window,
        output,
        supports_temperature=False,
        supports_reasoning=thinking is not Thinking.NONE,
        thinking=thinking,
    )


def _claude5(model: str, name: str, *, forced: bool) -> CatalogueModel:
    """Claude 5 and later think unless told not to; some cannot be told, and those refuse a forced tool."""
    plain = _claude(model, name, 1_000_000, 128_000, Thinking.ADAPTIVE)
    return replace(plain, thinks_by_default=True, supports_forced_tools=forced)


_MODELS: tuple[CatalogueModel, ...] = (
    CatalogueModel(
        "demo/planner", "Planner (built-in demo, no LLM)", "demo", 128_000, 8_192, supports_temperature=False
    ),
    _gpt54("gpt-6-astra", "GPT-6 Astra"),
    _gpt54("gpt-6.1-sol", "GPT-6.1 Sol"),
    _gpt54("gpt-6.1-terra", "GPT-6.1 Terra"),
    _gpt54("gpt-6-sol", "GPT-6 Sol"),
    _gpt54("gpt-6-luna", "GPT-6 Luna"),
    _gpt54("gpt-5.6-sol", "GPT-5.6 Sol"),
    _gpt54("gpt-5.6-terra", "GPT-5.6 Terra"),
    _gpt54("gpt-5.6-luna", "GPT-5.6 Luna"),
    _gpt54("gpt-5.5", "GPT-5.5"),
    _gpt54("gpt-5.4", "GPT-5.4"),
    _gpt54("gpt-5.4-mini", "GPT-5.4 mini", 400_000),
    _gpt54("gpt-5.4-nano", "GPT-5.4 nano", 400_000),
    _gpt5("gpt-5.2", "GPT-5.2"),
    _gpt5("gpt-5.1", "GPT-5.1"),
    _gpt5("gpt-5", "GPT-5"),
    _gpt5("gpt-5-mini", "GPT-5 mini"),
    _gpt5("gpt-5-nano", "GPT-5 nano"),
    _openai("gpt-4.1", "GPT-4.1", 1_047_576, 32_768),
    _openai("gpt-4.1-mini", "GPT-4.1 mini", 1_047_576, 32_768),
    _openai("gpt-4.1-nano", "GPT-4.1 nano", 1_047_576, 32_768),
    _openai("gpt-4o", "GPT-4o", 128_000, 16_384),
    _openai("gpt-4o-mini", "GPT-4o mini", 128_000, 16_384),
    _openai("gpt-4-turbo", "GPT-4 Turbo", 128_000, 4_096),
    _o_series("o4-mini", "o4-mini"),
    _o_series("o3", "o3"),
    _o_series("o3-mini", "o3-mini"),
    _o_series("o1", "o1"),
    _claude5("claude-fable-5-1", "Claude Fable 5.1", forced=False),
    _claude5("claude-opus-5-5", "Claude Opus 5.5", forced=False),
    _claude5("claude-sonnet-5-5", "Claude Sonnet 5.5", forced=False),
    _claude5("claude-haiku-5-5", "Claude Haiku 5.5", forced=True),
    _claude5("claude-opus-5", "Claude Opus 5", forced=True),
    _claude5("claude-sonnet-5", "Claude Sonnet 5", forced=True),
    _claude("claude-opus-4-8", "Claude Opus 4.8", 1_000_000, 128_000, Thinking.ADAPTIVE),
    _claude("claude-opus-4-7", "Claude Opus 4.7", 1_000_000, 128_000, Thinking.ADAPTIVE),
    _claude("claude-opus-4-6", "Claude Opus 4.6", 200_000, 128_000, Thinking.ADAPTIVE),
    _claude("claude-sonnet-4-6", "Claude Sonnet 4.6", 200_000, 64_000, Thinking.ADAPTIVE),
    _claude("claude-opus-4-5", "Claude Opus 4.5", 200_000, 64_000, Thinking.BUDGET),
    _claude("claude-sonnet-4-5", "Claude Sonnet 4.5", 200_000, 64_000, Thinking.BUDGET),
    _claude("claude-haiku-4-5", "Claude Haiku 4.5", 200_000, 64_000, Thinking.BUDGET),
    _claude("claude-opus-4-1", "Claude Opus 4.1", 200_000, 32_000, Thinking.BUDGET),
    _claude("claude-opus-4-20250514", "Claude Opus 4", 200_000, 32_000, Thinking.BUDGET),
    _claude("claude-sonnet-4-20250514", "Claude Sonnet 4", 200_000, 64_000, Thinking.BUDGET),
)

_BY_HANDLE = {known.handle: known for known in _MODELS}

# Longest prefix wins, so a family can differ from the models inside it.
_FAMILIES: dict[str, CatalogueModel] = {
    **_BY_HANDLE,
    # Chat variants of a reasoning family do not reason, and take a temperature.
    "openai/gpt-5-chat": _openai("gpt-5-chat", "GPT-5 Chat", 128_000, 16_384),
    "openai/gpt-6": _BY_HANDLE["openai/gpt-6-sol"],
    "openai/gpt-5.3": _BY_HANDLE["openai/gpt-5.2"],
    "openai/gpt-5.": _BY_HANDLE["openai/gpt-5.6-sol"],
    "openai/gpt-4": _openai("gpt-4", "GPT-4", 8_192, 4_096),
    "openai/gpt-3.5": _openai("gpt-3.5-turbo", "GPT-3.5 Turbo", 16_385, 4_096),
    "openai/o4": _BY_HANDLE["openai/o4-mini"],
    "anthropic/claude-fable": _BY_HANDLE["anthropic/claude-fable-5-1"],
    "anthropic/claude-mythos": _BY_HANDLE["anthropic/claude-fable-5-1"],
    "anthropic/claude-opus-4": _BY_HANDLE["anthropic/claude-opus-4-20250514"],
    "anthropic/claude-sonnet-4": _BY_HANDLE["anthropic/claude-sonnet-4-20250514"],
    "anthropic/claude-3": _claude("claude-3", "Claude 3", 200_000, 4_096, Thinking.NONE),
    "anthropic/claude-3-5": _claude("claude-3-5", "Claude 3.5", 200_000, 8_192, Thinking.NONE),
    "anthropic/claude-3-7": _claude("claude-3-7", "Claude 3.7", 200_000, 64_000, Thinking.BUDGET),
}

_PLAIN = CatalogueModel("", "", "", 128_000, 4_096, is_known=False)
_UNKNOWN: dict[str, CatalogueModel] = {
    # An unknown name behind an OpenAI-compatible endpoint is most often an open model: plain parameters.
    "openai": _PLAIN,
    # An unknown Claude is a newer one: it thinks by default, and whether it can be forced is not known.
    "anthropic": replace(_BY_HANDLE["anthropic/claude-opus-5-5"], is_known=False),
}
