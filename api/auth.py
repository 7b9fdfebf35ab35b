"""Bearer keys, and nothing else: a browser's session never opens the API."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja.security import HttpBearer

from access.activity import Actor
from access.keys import find_key_owner


class BearerKey(HttpBearer):
    """`request.auth` becomes the `Actor` behind the key."""

    async def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        owner = await sync_to_async(find_key_owner)(token.strip())
        if owner is None:
            return None
        person, key_name = owner
        return Actor(person, f"API key {key_name}")


def actor_of(request: HttpRequest) -> Actor:
    """Whose key opened this request."""
    actor = request.auth  # type: ignore[attr-defined]
    assert isinstance(actor, Actor)
    return actor
