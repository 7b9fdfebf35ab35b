"""/v1/models: what an agent can be asked to think with."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router

from api.schemas.models import embedding_state, model_state
from llms.embeddings import embedding_models
from llms.router import ModelRouter

router = Router(tags=["Models"])

_SETTINGS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL")


@router.get("/models")
async def list_models(
    request: HttpRequest,
    provider_name: str | None = None,
    provider_category: Query[list[str] | None] = None,
    provider_type: str | None = None,
) -> list[dict[str, Any]]:
    """The bundled catalogue, and what the configured providers list now. Any other handle of a provider works too."""
    wanted = provider_name or provider_type
    listing = await _router().list_models()
    return [model_state(listed) for listed in listing.models if not wanted or listed.model.provider == wanted]


@router.get("/models/embedding")
def list_embedding_models(request: HttpRequest) -> list[dict[str, Any]]:
    """The bundled embedding models of the configured providers. Any other handle of an endpoint that speaks OpenAI's API
    works too."""
    return [embedding_state(model) for model in embedding_models(_environment())]


@cache
def _router() -> ModelRouter:
    """One for the process: making a provider's client costs the loop a tenth of a second."""
    return ModelRouter(_environment())


def _environment() -> dict[str, str]:
    return {name: getattr(settings, name) for name in _SETTINGS}
