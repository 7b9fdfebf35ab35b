"""What clients say about an agent's model, in three places and several spellings, as the fields that Tandem acts on.

Rule 1.4: only a value that was really sent counts; top-level beats `model_settings` beats `llm_config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROVIDERS = ("openai", "anthropic", "demo")

# Our field: where it stands in `model_settings` and in `llm_config`, as dotted places.
_PLACES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "parallel_tool_calls": (("parallel_tool_calls",), ("parallel_tool_calls",)),
    "temperature": (("temperature",), ("temperature",)),
    "max_output_tokens": (("max_output_tokens",), ("max_tokens",)),
    "context_window": ((), ("context_window",)),
    "reasoning_effort": (("reasoning.reasoning_effort", "effort"), ("reasoning_effort", "effort")),
    "thinking_budget": (("thinking.budget_tokens",), ("max_reasoning_tokens",)),
}


class HandleProblem(ValueError):
    """A model handle that does not say which model to ask. The text is for a person."""

    is_unknown = False


class UnknownProvider(HandleProblem):
    """The handle names a provider that Tandem cannot speak to."""

    is_unknown = True


def settle(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given fields with `model_settings` and `llm_config` read into the fields they mean.

    Raises HandleProblem. Both places stay in the result as they were sent, for what else stands in them.
    """
    settings = given.get("model_settings") or {}
    config = given.get("llm_config") or {}
    settled: dict[str, Any] = {}
    for field, (in_settings, in_config) in _PLACES.items():
        for source, places in ((config, in_config), (settings, in_settings)):
            found = [value for place in places if (value := _at(source, place)) is not None]
            settled |= {field: found[0]} if found else {}
    if _at(settings, "thinking.type") == "disabled":
        settled["thinking_budget"] = None
    if handle := _handle_of(config):
        settled["model"] = handle
    settled |= {name: value for name, value in given.items() if value is not None or name not in settled}
    if settled.get("thinking_budget") == 0:  # how an llm_config says that there is none
        settled["thinking_budget"] = None
    if settled.get("model"):
        settled["model"] = check_handle(settled["model"])
    return settled


def check_handle(handle: str) -> str:
    """The handle, where it names a provider that Tandem speaks to and a model. Raises HandleProblem."""
    provider, slash, model = handle.strip().partition("/")
    if not slash or not provider or not model:
        raise HandleProblem(f'A model is written "provider/model", such as "openai/gpt-4.1", not {handle!r}.')
    if provider not in PROVIDERS:
        raise UnknownProvider(f"Unknown model provider {provider!r} in {handle!r}; known: {', '.join(PROVIDERS)}.")
    return handle.strip()


def _handle_of(config: Mapping[str, Any]) -> str:
    """The handle that an `llm_config` names: its `handle`, unless its `model` says another one; a `model` with a
    provider; or both parts of it."""
    model, handle = str(config.get("model") or ""), str(config.get("handle") or "")
    if handle and model in ("", handle, handle.partition("/")[2]):
        return handle
    provider = config.get("model_endpoint_type")
    if "/" in model or not model or not provider or model.startswith(f"{provider}/"):
        return model
    return f"{provider}/{model}"


def _at(source: Mapping[str, Any], place: str) -> Any:
    value: Any = source
    for step in place.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
