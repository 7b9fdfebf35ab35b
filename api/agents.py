"""/v1/agents: agents themselves. Their tools, blocks and messages have files of their own."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from ninja import Query, Router

from agents.models import Agent
from agents.roster import change_agent, create_agent, delete_agent
from api.absent import refuse_unsupported
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.agents import AgentFields, NewAgent, agent_state
from runs.models import Run

router = Router(tags=["Agents"])

_UNSUPPORTED = {
    "secrets": "secrets for tools",
    "tool_exec_environment_variables": "environment variables for tools",
}


class AgentFilter(Cursor):
    """Which agents to list."""

    name: str | None = None
    query_text: str | None = None
    tags: list[str] = []
    match_all_tags: bool = False
    last_stop_reason: str | None = None
    include: list[str] = []
    ascending: bool | None = None
    order_by: str | None = None
    sort_by: str | None = None

    def choose(self) -> QuerySet[Agent]:
        """The agents that fit."""
        last = Run.objects.filter(agent=OuterRef("pk")).exclude(ended_at=None).order_by("-ended_at")
        agents = Agent.objects.annotate(
            last_run_completion=Subquery(last.values("ended_at")[:1]),
            last_stop_reason=Subquery(last.values("stop_reason")[:1]),
        )
        if self.name:
            agents = agents.filter(name=self.name)
        if self.query_text:
            agents = agents.filter(name__icontains=self.query_text)
        if self.last_stop_reason:
            agents = agents.filter(last_stop_reason=self.last_stop_reason)
        if self.tags:
            agents = agents.filter(pk__in=self._tagged())
        return agents

    def _tagged(self) -> list[str]:
        """Tags are a JSON list, which SQLite cannot search; they are few and short."""
        wanted = set(self.tags)
        fits = wanted.issubset if self.match_all_tags else lambda tags: not wanted.isdisjoint(tags)
        return [pk for pk, tags in Agent.objects.values_list("pk", "tags") if fits(tags)]

    def key(self) -> str:
        """What to sort by."""
        wanted = self.order_by or self.sort_by
        return wanted if wanted in {"updated_at", "created_at"} else "created_at"


@router.post("/agents")
def create(request: HttpRequest, body: NewAgent) -> dict[str, Any]:
    """Make an agent. `model` is a handle such as "openai/gpt-4.1"; `llm_config` may name it instead."""
    refuse_unsupported(body.model_dump(exclude_unset=True), _UNSUPPORTED)
    agent = create_agent(
        actor_of(request),
        fields=body.sent(),
        tool_ids=body.tool_ids or (),
        tool_names=body.tools or (),
        blocks=[block.sent() for block in body.memory_blocks or ()],
        block_ids=body.block_ids or (),
    )
    return agent_state(agent)


@router.get("/agents")
def list_agents(request: HttpRequest, chosen: Query[AgentFilter]) -> list[dict[str, Any]]:
    """Agents, newest first."""
    page = page_of(chosen, order="asc" if chosen.ascending else "desc")
    wants_approval = "agent.pending_approval" in chosen.include
    return [
        agent_state(agent, with_history=False, with_pending_approval=wants_approval)
        for agent in cut(chosen.choose(), page, key=chosen.key())
    ]


@router.get("/agents/count")
def count(request: HttpRequest) -> int:
    """How many agents there are."""
    return Agent.objects.count()


@router.get("/agents/{agent_id}")
def retrieve(request: HttpRequest, agent_id: str, include: Query[list[str]] = []) -> dict[str, Any]:  # noqa: B006
    """One agent; `include=agent.pending_approval` adds what waits for a decision."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return agent_state(agent, with_pending_approval="agent.pending_approval" in include)


@router.patch("/agents/{agent_id}")
def update(request: HttpRequest, agent_id: str, body: AgentFields) -> dict[str, Any]:
    """Change an agent; what is not sent stays. `tool_ids` and `block_ids` replace what is attached."""
    refuse_unsupported(body.model_dump(exclude_unset=True), _UNSUPPORTED)
    agent = find(Agent.objects.all(), agent_id, "Agent")
    changed = change_agent(actor_of(request), agent, body.sent(), tool_ids=body.tool_ids, block_ids=body.block_ids)
    return agent_state(changed)


@router.delete("/agents/{agent_id}")
def delete(request: HttpRequest, agent_id: str) -> None:
    """Delete an agent with its history."""
    delete_agent(actor_of(request), find(Agent.objects.all(), agent_id, "Agent"))


@router.get("/tags")
def list_tags(
    request: HttpRequest, chosen: Query[Cursor], name: str | None = None, query_text: str | None = None
) -> list[str]:
    """The tags of all agents, by the alphabet; a tag is its own cursor."""
    is_falling = chosen.order == "desc"
    tags = {tag for found in Agent.objects.exclude(tags=[]).values_list("tags", flat=True) for tag in found}
    text = (name or query_text or "").lower()
    fitting = sorted((tag for tag in tags if text in tag.lower()), reverse=is_falling)
    if chosen.after:
        fitting = [tag for tag in fitting if (tag < chosen.after if is_falling else tag > chosen.after)]
    if chosen.before:
        fitting = [tag for tag in fitting if (tag > chosen.before if is_falling else tag < chosen.before)]
    return fitting[: chosen.limit]
