"""From texts to vectors, at OpenAI and whatever speaks its API; and the embedding models that are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import httpx2
import openai
from openai import OpenAI

from llms.errors import BadHandle, Unavailable
from llms.openai_client import DEFAULT_BASE_URL, explain_failure
from llms.provider_errors import Asked
from llms.providers import PROVIDERS, Connection, Handle

_NO_KEY = "no-key"  # The SDK wants one; local endpoints ignore it.
_PROVIDER = "openai"
# Texts in one request; OpenAI takes 2,048 of them, others fewer.
_AT_ONCE = 128
_SECONDS = 30.0
_FAILURES = (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, UnicodeError)


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that makes vectors of `dimensions` numbers; 0 where that is not known before it has made one."""

    handle: str
    dimensions: int

    @property
    def provider(self) -> str:
        """The first part of the handle."""
        return self.handle.partition("/")[0]

    @property
    def model(self) -> str:
        """The handle without its provider."""
        return self.handle.partition("/")[2]


_KNOWN = (
    EmbeddingModel("openai/text-embedding-3-small", 1536),
    EmbeddingModel("openai/text-embedding-3-large", 3072),
    EmbeddingModel("openai/text-embedding-ada-002", 1536),
)


def embedding_models(settings: Mapping[str, str]) -> tuple[EmbeddingModel, ...]:
    """The bundled models of the providers that have a connection with these settings."""
    return tuple(known for known in _KNOWN if PROVIDERS[known.provider].connection(settings) is not None)


def describe_embedding(handle: str) -> EmbeddingModel:
    """What is known of an embedding model. Raises `BadHandle` for one of a provider that has none."""
    parsed = Handle.parse(handle)
    if parsed.provider != _PROVIDER:
        raise BadHandle(
            f"{PROVIDERS[parsed.provider].display_name} has no embedding models: use one of OpenAI's or of an endpoint "
            "that speaks its API, as openai/text-embedding-3-small."
        )
    return next((known for known in _KNOWN if known.handle == str(parsed)), EmbeddingModel(str(parsed), 0))


def embed(settings: Mapping[str, str], handle: str, texts: Sequence[str]) -> list[list[float]]:
    """One vector for each text, in their order. Blocks for as long as the provider takes, at most half a minute for
    every 128 texts. `settings` maps names such as OPENAI_API_KEY to values. Raises `ModelError`."""
    model = describe_embedding(handle).model
    provider = PROVIDERS[_PROVIDER]
    connection = provider.connection(settings)
    if connection is None:
        raise provider.not_configured()
    client = _client(connection)
    vectors: list[list[float]] = []
    for start in range(0, len(texts), _AT_ONCE):
        vectors += _ask(client, connection, model, texts[start : start + _AT_ONCE])
    return vectors


def _ask(client: OpenAI, connection: Connection, model: str, texts: Sequence[str]) -> list[list[float]]:
    try:
        answer = client.embeddings.create(model=model, input=list(texts), encoding_format="float")
    except _FAILURES as error:
        raise explain_failure(Asked("OpenAI", model, "OPENAI_API_KEY"), error, key=connection.api_key) from error
    vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
    if len(vectors) != len(texts):
        raise Unavailable(f"OpenAI made {len(vectors)} vectors of {len(texts)} texts.")
    return vectors


@lru_cache(maxsize=8)
def _client(connection: Connection) -> OpenAI:
    """One connection pool to one endpoint."""
    return OpenAI(
        api_key=connection.api_key or _NO_KEY,
        base_url=connection.base_url or DEFAULT_BASE_URL,
        max_retries=1,
        timeout=httpx2.Timeout(_SECONDS, connect=5.0),
    )
