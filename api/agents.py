"""/v1/agents: agents themselves. Their tools, blocks and messages have files of their own."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from ninja import Query, Router

from agents.models import Agent
from agents.roster import change_agent, create_agent, delete_agent
from agents.variables import replace_variables
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.agents import AgentFields, NewAgent, agent_state
from runs.models import Run

router = Router(tags=["Agents"])

_PENDING_APPROVAL = "agent.pending_approval"
_SECRETS = "agent.secrets"


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
    with transaction.atomic():
        agent = create_agent(
            actor_of(request),
            fields=body.sent(),
            tool_ids=body.tool_ids or (),
            tool_names=body.tools or (),
            blocks=[block.sent() for block in body.memory_blocks or ()],
            block_ids=body.block_ids or (),
        )
        _set_variables(request, agent, body)
    return agent_state(agent)


@router.get("/agents")
def list_agents(request: HttpRequest, chosen: Query[AgentFilter]) -> list[dict[str, Any]]:
    """Agents, newest first."""
    page = page_of(chosen, order="asc" if chosen.ascending else "desc")
    wanted = _included(request, chosen.include)
    return [agent_state(agent, with_history=False, **wanted) for agent in cut(chosen.choose(), page, key=chosen.key())]


@router.get("/agents/count")
def count(request: HttpRequest) -> int:
    """How many agents there are."""
    return Agent.objects.count()


@router.get("/agents/{agent_id}")
def retrieve(request: HttpRequest, agent_id: str, include: Query[list[str]] = []) -> dict[str, Any]:  # noqa: B006
    """One agent; `include=agent.pending_approval` adds what waits for a decision, `agent.secrets`, with a key of an
    administrator, the values of its secrets."""
    return agent_state(find(Agent.objects.all(), agent_id, "Agent"), **_included(request, include))


@router.patch("/agents/{agent_id}")
def update(request: HttpRequest, agent_id: str, body: AgentFields) -> dict[str, Any]:
    """Change an agent; what is not sent stays. `tool_ids` and `block_ids` replace what is attached."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    with transaction.atomic():
        changed = change_agent(actor_of(request), agent, body.sent(), tool_ids=body.tool_ids, block_ids=body.block_ids)
        _set_variables(request, changed, body)
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


def _included(request: HttpRequest, include: list[str]) -> dict[str, bool]:
    """What `include` adds to an agent. Secrets need the key of an administrator; with another they stay masked."""
    person = actor_of(request).person
    is_admin = person is not None and person.is_superuser
    return {"with_pending_approval": _PENDING_APPROVAL in include, "with_secrets": is_admin and _SECRETS in include}


def _set_variables(request: HttpRequest, agent: Agent, body: AgentFields) -> None:
    """Replace the agent's variables by what was sent: `secrets`, or the older field, where what is shown stays so."""
    older, secrets = body.tool_exec_environment_variables, body.secrets
    if older is None and secrets is None:
        return
    values = {**(older or {}), **(secrets or {})}
    replace_variables(actor_of(request), agent, values, is_secret=None if secrets is None else True)
