"""An agent's model in the two shapes that the SDKs know: what was sent, and over it what is true (rule 1.4)."""

from __future__ import annotations

from typing import Any

from agents.models import Agent
from llms.catalogue import describe


def known_to_sdks(provider: str) -> str:
    """The SDKs' types know no demo provider; its model speaks as OpenAI's do. `provider_name` tells the truth."""
    return "openai" if provider == "demo" else provider


def llm_config(agent: Agent) -> dict[str, Any]:
    """The older shape, an LlmConfig."""
    provider, _, model = agent.model.partition("/")
    return {
        **agent.llm_config,
        "handle": agent.model,
        "model": model,
        "model_endpoint_type": known_to_sdks(provider),
        "provider_name": provider,
        "provider_category": "base",
        "context_window": agent.context_window or describe(agent.model).context_window,
        "max_tokens": agent.max_output_tokens,
        "temperature": agent.temperature,
        "reasoning_effort": agent.reasoning_effort or None,
        "max_reasoning_tokens": agent.thinking_budget or 0,
        "parallel_tool_calls": agent.parallel_tool_calls,
    }


def model_settings(agent: Agent) -> dict[str, Any]:
    """The newer one, which differs by provider."""
    provider = agent.model.partition("/")[0]
    true: dict[str, Any] = {
        "provider_type": known_to_sdks(provider),
        "parallel_tool_calls": agent.parallel_tool_calls,
        "temperature": agent.temperature,
        "max_output_tokens": agent.max_output_tokens,
    }
    sent: dict[str, Any] = agent.model_settings
    if agent.thinking_budget is not None:
        true["thinking"] = {**_object(sent, "thinking"), "budget_tokens": agent.thinking_budget}
    if agent.reasoning_effort and provider == "anthropic":
        true["effort"] = agent.reasoning_effort
    elif agent.reasoning_effort:
        true["reasoning"] = {**_object(sent, "reasoning"), "reasoning_effort": agent.reasoning_effort}
    return {**sent, **true}


def _object(sent: dict[str, Any], name: str) -> dict[str, Any]:
    """What clients sent may be anything."""
    value = sent.get(name)
    return value if isinstance(value, dict) else {}
