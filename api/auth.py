"""Bearer keys and the tokens of runs, and nothing else: a browser's session never opens the API."""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from ninja.security import HttpBearer

from access.activity import Actor
from access.keys import find_key_owner
from api.errors import ApiProblem
from api.tool_scope import REFUSAL, decides_approvals, is_in_scope
from runs.run_tokens import PREFIX, read_token


class BearerKey(HttpBearer):
    """`request.auth` becomes the `Actor` behind the key."""

    async def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        if (secret := token.strip()).startswith(PREFIX):
            return await sync_to_async(_tool_behind)(request, secret)
        owner = await sync_to_async(find_key_owner)(secret)
        if owner is None:
            return None
        person, key_name = owner
        return Actor(person, f"API key {key_name}")


def _tool_behind(request: HttpRequest, token: str) -> Actor | None:
    """The run whose tool asks, for what tools may ask. Raises ApiProblem for the rest."""
    holder = read_token(token)
    if holder is None:
        return None
    if not is_in_scope(request.method or "GET", request.path_info) or decides_approvals(request.body):
        raise ApiProblem(403, REFUSAL, is_final=True)
    return ToolActor(None, f"run {holder.run_id}" if holder.run_id else f"a tool tried for {holder.agent_id}")


@dataclass(frozen=True, slots=True)
class ToolActor(Actor):
    """A tool, on behalf of its run."""


def actor_of(request: HttpRequest) -> Actor:
    """Whose key opened this request."""
    actor = request.auth  # type: ignore[attr-defined]
    assert isinstance(actor, Actor)
    return actor
