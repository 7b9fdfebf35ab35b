"""Models as the SDKs know them."""

from __future__ import annotations

from typing import Any

from agents.model_shapes import known_to_sdks
from llms.embeddings import EmbeddingModel
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


def embedding_state(model: EmbeddingModel) -> dict[str, Any]:
    """An EmbeddingModel."""
    return {
        "name": model.model,
        "handle": model.handle,
        "display_name": model.model,
        "model_type": "embedding",
        "provider_name": model.provider,
        "provider_type": model.provider,
        "embedding_model": model.model,
        "embedding_dim": model.dimensions,
        "embedding_endpoint_type": model.provider,
        "embedding_endpoint": None,
        "embedding_chunk_size": 300,
        "batch_size": 32,
    }
