"""/v1/identities and what they are attached to: whom an application knows, its users and organisations."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router

from agents.identities import (
    attach_identity,
    change_identity,
    create_identity,
    delete_identity,
    detach_identity,
    set_properties,
    upsert_identity,
)
from agents.models import Agent, Block, Identity
from api.agents import AgentFilter, agents_page
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.blocks import block_state
from api.schemas.identities import IdentityFields, NewIdentity, Property, identity_state, with_connections

router = Router(tags=["Identities"])


class IdentityFilter(Cursor):
    """Which identities to list."""

    name: str | None = None
    identifier_key: str | None = None
    identity_type: Literal["org", "user", "other"] | None = None
    project_id: str | None = None

    def choose(self) -> QuerySet[Identity]:
        """The identities that fit."""
        fits = {
            "name": self.name,
            "identifier_key": self.identifier_key,
            "identity_type": self.identity_type,
            "project_id": self.project_id,
        }
        return Identity.objects.filter(**{name: value for name, value in fits.items() if value})


@router.get("/identities")
def list_identities(request: HttpRequest, chosen: Query[IdentityFilter]) -> list[dict[str, Any]]:
    """Identities, newest first."""
    return [identity_state(identity) for identity in cut(with_connections(chosen.choose()), page_of(chosen))]


@router.post("/identities")
def create(request: HttpRequest, body: NewIdentity) -> dict[str, Any]:
    """Make an identity; its key must be new."""
    made = create_identity(
        actor_of(request), body.sent(), agent_ids=body.agent_ids or (), block_ids=body.block_ids or ()
    )
    return identity_state(made)


@router.put("/identities")
def upsert(request: HttpRequest, body: NewIdentity) -> dict[str, Any]:
    """Make or change the identity of this key; what is not sent stays."""
    return identity_state(
        upsert_identity(actor_of(request), body.sent(), agent_ids=body.agent_ids, block_ids=body.block_ids)
    )


@router.get("/identities/count")
def count(request: HttpRequest) -> int:
    """How many identities there are."""
    return Identity.objects.count()


@router.get("/identities/{identity_id}")
def retrieve(request: HttpRequest, identity_id: str) -> dict[str, Any]:
    """One identity."""
    return identity_state(_found(identity_id))


@router.patch("/identities/{identity_id}")
def update(request: HttpRequest, identity_id: str, body: IdentityFields) -> dict[str, Any]:
    """Change an identity; what is not sent stays."""
    changed = change_identity(
        actor_of(request), _found(identity_id), body.sent(), agent_ids=body.agent_ids, block_ids=body.block_ids
    )
    return identity_state(changed)


@router.put("/identities/{identity_id}/properties")
def upsert_properties(request: HttpRequest, identity_id: str, body: list[Property]) -> None:
    """Set these properties; others stay."""
    set_properties(actor_of(request), _found(identity_id), [one.model_dump() for one in body])


@router.delete("/identities/{identity_id}")
def delete(request: HttpRequest, identity_id: str) -> None:
    """Delete an identity; its agents and blocks stay."""
    delete_identity(actor_of(request), _found(identity_id))


@router.get("/identities/{identity_id}/agents")
def list_agents(request: HttpRequest, identity_id: str, chosen: Query[AgentFilter]) -> list[dict[str, Any]]:
    """The identity's agents, newest first."""
    return agents_page(request, chosen, chosen.choose().filter(pk__in=_found(identity_id).agents.all()))


@router.get("/identities/{identity_id}/blocks")
def list_blocks(request: HttpRequest, identity_id: str, cursor: Query[Cursor]) -> list[dict[str, Any]]:
    """The identity's blocks, newest first."""
    return [block_state(block) for block in cut(_found(identity_id).blocks.all(), page_of(cursor))]


@router.patch("/agents/{agent_id}/identities/attach/{identity_id}")
def attach(request: HttpRequest, agent_id: str, identity_id: str) -> None:
    """Attach an identity to an agent; twice is once."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    attach_identity(actor_of(request), agent, _found(identity_id))


@router.patch("/agents/{agent_id}/identities/detach/{identity_id}")
def detach(request: HttpRequest, agent_id: str, identity_id: str) -> None:
    """Detach an identity from an agent."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    detach_identity(actor_of(request), agent, _found(identity_id))


@router.patch("/blocks/{block_id}/identities/attach/{identity_id}")
def attach_to_block(request: HttpRequest, block_id: str, identity_id: str) -> None:
    """Attach an identity to a block; twice is once."""
    block = find(Block.objects.all(), block_id, "Block")
    attach_identity(actor_of(request), block, _found(identity_id))


@router.patch("/blocks/{block_id}/identities/detach/{identity_id}")
def detach_from_block(request: HttpRequest, block_id: str, identity_id: str) -> None:
    """Detach an identity from a block."""
    block = find(Block.objects.all(), block_id, "Block")
    detach_identity(actor_of(request), block, _found(identity_id))


def _found(identity_id: str) -> Identity:
    return find(Identity.objects.all(), identity_id, "Identity")
