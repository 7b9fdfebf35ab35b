"""Models as the SDKs know them."""

from __future__ import annotations

from typing import Any

from llms.router import ListedModel


def model_state(listed: ListedModel) -> dict[str, Any]:
    """A Model."""
    model = listed.model
    return {
        "model": model.model,
        "name": model.model,
        "handle": model.handle,
        "display_name": model.display_name,
        "model_type": "llm",
        "model_endpoint_type": known_to_sdks(model.provider),
        "provider_type": known_to_sdks(model.provider),
        "provider_name": model.provider,
        "provider_category": "base",
        "context_window": model.context_window,
        "max_context_window": model.context_window,
        "max_tokens": model.max_output_tokens,
        "supports_parallel_tool_calls": model.supports_parallel_parameter,
        "is_configured": listed.is_configured,
    }


def known_to_sdks(provider: str) -> str:
    """The SDKs' types know no demo provider; its model speaks as OpenAI's do. `provider_name` tells the truth."""
    return "openai" if provider == "demo" else provider
