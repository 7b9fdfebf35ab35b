"""Vectors of passages: made by the archive's embedding model where it has one, stored as bytes, compared in Python."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from heapq import nlargest
from operator import mul
from typing import Any

from django.conf import settings

from archives.models import Archive
from llms.embeddings import describe_embedding, embed
from llms.errors import ModelError

log = logging.getLogger(__name__)

_SETTINGS = ("OPENAI_API_KEY", "OPENAI_BASE_URL")
# What clients are told; nothing here cuts texts into pieces.
_CHUNK = 300


def provider_settings() -> Mapping[str, str]:
    """The settings that the embedding models' providers are reached with, as they are now."""
    return {name: getattr(settings, name) for name in _SETTINGS}


def vectors_of(handle: str, texts: Sequence[str]) -> list[bytes | None]:
    """The texts' vectors, to be stored; None for every one where there is no model or its provider fails, which is
    logged: what is remembered must not be lost for it, and full text search finds it. Blocks while the provider works."""
    if not handle or not texts:
        return [None] * len(texts)
    try:
        return [_stored(vector) for vector in embed(provider_settings(), handle, texts)]
    except ModelError as error:
        log.warning("no vectors from %s, full text search has to do: %s", handle, error)
        return [None] * len(texts)


def nearest(question: bytes, stored: Iterable[tuple[str, Any]], limit: int) -> list[str]:
    """The ids of the vectors nearest to the question's by their cosine, best first; vectors of another length, from
    another model, are left out."""
    wanted = _numbers(question)
    near = ((sum(map(mul, wanted, found)), pk) for pk, found in _of_length(len(wanted), stored))
    return [pk for _, pk in nlargest(limit, near)]


def embedding_config(handle: str, sent: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What clients are told of an embedding model, over what they sent. Raises `BadHandle`."""
    known = describe_embedding(handle)
    return {
        "embedding_endpoint": settings.OPENAI_BASE_URL or None,
        "embedding_chunk_size": _CHUNK,
        **(sent or {}),
        "embedding_dim": known.dimensions or (sent or {}).get("embedding_dim") or 0,
        "embedding_endpoint_type": known.provider,
        "embedding_model": known.model,
        "handle": known.handle,
    }


def learn_dimensions(archive: Archive, vector: bytes | None) -> None:
    """Once a model that is not known has made its first vector, clients are told how long it is."""
    if vector is not None and archive.embedding_config and not archive.embedding_config.get("embedding_dim"):
        archive.embedding_config = {**archive.embedding_config, "embedding_dim": len(_numbers(vector))}
        archive.save(update_fields=["embedding_config", "updated_at"])


def numbers_of(stored: bytes | memoryview | None) -> list[float] | None:
    """A stored vector as clients read it."""
    return None if stored is None else list(_numbers(stored))


def _stored(vector: Sequence[float]) -> bytes:
    """Of length 1, so that the cosine of two is the sum of their products."""
    length = math.sqrt(sum(number * number for number in vector)) or 1.0
    return array("f", [number / length for number in vector]).tobytes()


def _numbers(stored: bytes | memoryview) -> array[float]:
    return array("f", bytes(stored))


def _of_length(length: int, stored: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, array[float]]]:
    for pk, vector in stored:
        found = _numbers(vector)
        if len(found) == length:
            yield pk, found
