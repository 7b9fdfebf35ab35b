"""Identities as Letta's clients know them."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import Prefetch, QuerySet
from ninja import Schema

from agents.models import Agent, Block, Identity
from api.schemas.dates import entity_date


class Property(Schema):
    """A property of an identity."""

    key: str
    value: str | bool | int | float | dict[str, Any]
    type: Literal["string", "number", "boolean", "json"]


class IdentityFields(Schema):
    """What can be said about an identity. What is not sent stays; ids replace what is connected."""

    identifier_key: str | None = None
    name: str | None = None
    identity_type: Literal["org", "user", "other"] | None = None
    project_id: str | None = None
    properties: list[Property] | None = None
    agent_ids: list[str] | None = None
    block_ids: list[str] | None = None

    def sent(self) -> dict[str, Any]:
        """The identity's own fields that were really sent."""
        return self.model_dump(exclude_unset=True, exclude={"agent_ids", "block_ids"})


class NewIdentity(IdentityFields):
    """An identity to make."""

    identifier_key: str
    name: str
    identity_type: Literal["org", "user", "other"]


def with_connections(identities: QuerySet[Identity]) -> QuerySet[Identity]:
    """The identities with the ids that their state shows, in the same number of queries for any number of them."""
    return identities.prefetch_related(
        Prefetch("agents", Agent.objects.only("pk").order_by("created_at", "pk")),
        Prefetch("blocks", Block.objects.only("pk").order_by("created_at", "pk")),
    )


def identity_state(identity: Identity) -> dict[str, Any]:
    """An Identity."""
    return {
        "id": identity.pk,
        "identifier_key": identity.identifier_key,
        "name": identity.name,
        "identity_type": identity.identity_type,
        "properties": identity.properties,
        "project_id": identity.project_id or None,
        "agent_ids": [agent.pk for agent in identity.agents.all()],
        "block_ids": [block.pk for block in identity.blocks.all()],
        "created_at": entity_date(identity.created_at),
        "updated_at": entity_date(identity.updated_at),
    }
