"""/v1/blocks and /v1/agents/{id}/core-memory: memory blocks."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from ninja import Query, Router

from access.json_lists import holding
from agents.memory import attach_block, blocks_of, change_block, create_block, delete_block, detach_block
from agents.models import Agent, Block
from api.agents import AgentFilter, agents_page
from api.auth import actor_of
from api.errors import ApiProblem
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.agents import agent_state
from api.schemas.blocks import BlockFields, NewBlock, block_state

router = Router(tags=["Blocks"])


class BlockFilter(Cursor):
    """Which blocks to list."""

    label: str | None = None
    label_search: str | None = None
    value_search: str | None = None
    description_search: str | None = None
    name: str | None = None
    templates_only: bool = False
    tags: list[str] = []
    match_all_tags: bool = False
    identity_id: str | None = None
    identifier_keys: list[str] = []
    project_id: str | None = None
    connected_to_agents_count_eq: list[int] = []
    connected_to_agents_count_gt: int | None = None
    connected_to_agents_count_lt: int | None = None

    def choose(self) -> QuerySet[Block]:
        """The blocks that fit."""
        fits = {
            "label": self.label,
            "label__icontains": self.label_search,
            "value__icontains": self.value_search,
            "description__icontains": self.description_search,
            "template_name": self.name,
            "is_template": self.templates_only,
            "identities": self.identity_id,
            "extras__project_id": self.project_id,
        }
        blocks = Block.objects.filter(**{lookup: value for lookup, value in fits.items() if value})
        if self.identifier_keys:
            blocks = blocks.filter(pk__in=Block.objects.filter(identities__identifier_key__in=self.identifier_keys))
        return self._shared(blocks.filter(holding("tags", self.tags, every=self.match_all_tags)))

    def _shared(self, blocks: QuerySet[Block]) -> QuerySet[Block]:
        """Those that as many agents have as was asked for."""
        fits = {
            "agent_count__in": self.connected_to_agents_count_eq or None,
            "agent_count__gt": self.connected_to_agents_count_gt,
            "agent_count__lt": self.connected_to_agents_count_lt,
        }
        given = {lookup: value for lookup, value in fits.items() if value is not None}
        return blocks.annotate(agent_count=Count("agents", distinct=True)).filter(**given) if given else blocks


@router.post("/blocks")
def create(request: HttpRequest, body: NewBlock) -> dict[str, Any]:
    """Make a block that no agent has yet."""
    return block_state(create_block(actor_of(request), body.sent()))


@router.get("/blocks")
def list_blocks(request: HttpRequest, chosen: Query[BlockFilter]) -> list[dict[str, Any]]:
    """Blocks, oldest first."""
    return [block_state(block) for block in cut(chosen.choose(), page_of(chosen, order="asc"))]


@router.get("/blocks/count")
def count(request: HttpRequest) -> int:
    """How many blocks there are."""
    return Block.objects.count()


@router.get("/blocks/{block_id}")
def retrieve(request: HttpRequest, block_id: str) -> dict[str, Any]:
    """One block."""
    return block_state(find(Block.objects.all(), block_id, "Block"))


@router.patch("/blocks/{block_id}")
def update(request: HttpRequest, block_id: str, body: BlockFields) -> dict[str, Any]:
    """Change a block; what is not sent stays."""
    block = find(Block.objects.all(), block_id, "Block")
    return block_state(change_block(actor_of(request), block, body.sent()))


@router.delete("/blocks/{block_id}")
def delete(request: HttpRequest, block_id: str) -> None:
    """Delete a block; every agent that had it has it no longer."""
    delete_block(actor_of(request), find(Block.objects.all(), block_id, "Block"))


@router.get("/blocks/{block_id}/agents")
def list_agents(request: HttpRequest, block_id: str, chosen: Query[AgentFilter]) -> list[dict[str, Any]]:
    """The agents that have this block, newest first."""
    block = find(Block.objects.all(), block_id, "Block")
    return agents_page(request, chosen, chosen.choose().filter(pk__in=block.agents.all()))


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


@router.patch("/agents/{agent_id}/core-memory/blocks/attach/{block_id}")
def attach(request: HttpRequest, agent_id: str, block_id: str) -> dict[str, Any]:
    """Attach a block; twice is once. An agent has one block of a label."""
    agent, block = find(Agent.objects.all(), agent_id, "Agent"), find(Block.objects.all(), block_id, "Block")
    attach_block(actor_of(request), agent, block)
    return agent_state(agent)


@router.patch("/agents/{agent_id}/core-memory/blocks/detach/{block_id}")
def detach(request: HttpRequest, agent_id: str, block_id: str) -> dict[str, Any]:
    """Detach a block; the block itself stays."""
    agent, block = find(Agent.objects.all(), agent_id, "Agent"), find(Block.objects.all(), block_id, "Block")
    detach_block(actor_of(request), agent, block)
    return agent_state(agent)


@router.get("/agents/{agent_id}/core-memory")
def memory(request: HttpRequest, agent_id: str) -> dict[str, Any]:
    """The agent's core memory."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    blocks = [block_state(block) for block in blocks_of(agent)]
    return {"blocks": blocks, "file_blocks": [], "agent_type": agent.agent_type}


def _labelled(agent_id: str, label: str) -> Block:
    agent = find(Agent.objects.all(), agent_id, "Agent")
    block = agent.blocks.filter(label=label).first()
    if block is None:
        raise ApiProblem(404, f"Agent {agent.name} has no block labelled '{label}'.")
    return block
