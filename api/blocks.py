"""/v1/blocks and /v1/agents/{id}/core-memory: memory blocks."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router

from agents.memory import change_block, create_block
from agents.models import Agent, Block
from api.auth import actor_of
from api.errors import ApiProblem
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.blocks import BlockFields, NewBlock, block_state

router = Router(tags=["Blocks"])


class BlockFilter(Cursor):
    """Which blocks to list."""

    label: str | None = None
    label_search: str | None = None
    value_search: str | None = None
    description_search: str | None = None

    def choose(self) -> QuerySet[Block]:
        """The blocks that fit."""
        fits = {
            "label": self.label,
            "label__icontains": self.label_search,
            "value__icontains": self.value_search,
            "description__icontains": self.description_search,
        }
        return Block.objects.filter(**{lookup: value for lookup, value in fits.items() if value})


@router.post("/blocks")
def create(request: HttpRequest, body: NewBlock) -> dict[str, Any]:
    """Make a block that no agent has yet."""
    return block_state(create_block(actor_of(request), body.sent()))


@router.get("/blocks")
def list_blocks(request: HttpRequest, chosen: Query[BlockFilter]) -> list[dict[str, Any]]:
    """Blocks, oldest first."""
    return [block_state(block) for block in cut(chosen.choose(), page_of(chosen, order="asc"))]


@router.get("/blocks/{block_id}")
def retrieve(request: HttpRequest, block_id: str) -> dict[str, Any]:
    """One block."""
    return block_state(find(Block.objects.all(), block_id, "Block"))


@router.patch("/blocks/{block_id}")
def update(request: HttpRequest, block_id: str, body: BlockFields) -> dict[str, Any]:
    """Change a block; what is not sent stays."""
    block = find(Block.objects.all(), block_id, "Block")
    return block_state(change_block(actor_of(request), block, body.sent()))


@router.get("/agents/{agent_id}/core-memory/blocks")
def list_of_agent(request: HttpRequest, agent_id: str, cursor: Query[Cursor]) -> list[dict[str, Any]]:
    """The agent's blocks, oldest first."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return [block_state(block) for block in cut(agent.blocks.all(), page_of(cursor, order="asc"))]


@router.get("/agents/{agent_id}/core-memory/blocks/{block_label}")
def retrieve_of_agent(request: HttpRequest, agent_id: str, block_label: str) -> dict[str, Any]:
    """The agent's block of this label."""
    return block_state(_labelled(agent_id, block_label))


@router.patch("/agents/{agent_id}/core-memory/blocks/{block_label}")
def update_of_agent(request: HttpRequest, agent_id: str, block_label: str, body: BlockFields) -> dict[str, Any]:
    """Change the agent's block of this label; what is not sent stays."""
    return block_state(change_block(actor_of(request), _labelled(agent_id, block_label), body.sent()))


def _labelled(agent_id: str, label: str) -> Block:
    agent = find(Agent.objects.all(), agent_id, "Agent")
    block = agent.blocks.filter(label=label).first()
    if block is None:
        raise ApiProblem(404, f"Agent {agent.name} has no block labelled '{label}'.")
    return block
