"""/v1/agents: agents themselves. Their tools, blocks and messages have files of their own."""

from __future__ import annotations

from typing import Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema

from access.json_lists import holding
from access.person_ids import person_number
from agents.assembly import compile_system
from agents.models import Agent
from agents.roster import change_agent, create_agent, delete_agent
from agents.variables import replace_variables
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.agent_fields import AgentFields, NewAgent
from api.schemas.agents import Wanted, agent_state, agent_states
from folders.attachment import replace_folders
from runs.agent_files.history import store_history
from runs.agent_files.shape import FileMessage
from runs.by_agent import with_last_run

router = Router(tags=["Agents"])

_PENDING_APPROVAL = "agent.pending_approval"
_SECRETS = "agent.secrets"


class Included(Schema):
    """What to give of an agent besides its own fields. `include_relationships` is the older way, which also says what
    to leave out; `include` only adds."""

    include: list[str] = []
    include_relationships: list[str] | None = None

    def wanted(self, request: HttpRequest, *, history: bool) -> Wanted:
        """Secrets need the key of an administrator; with another they stay masked."""
        person = actor_of(request).person
        is_admin = person is not None and person.is_superuser
        return Wanted(
            history=history,
            pending_approval=_PENDING_APPROVAL in self.include,
            secrets=is_admin and _SECRETS in self.include,
            relations=self.include_relationships,
        )


class AgentFilter(Cursor, Included):
    """Which agents to list."""

    name: str | None = None
    query_text: str | None = None
    tags: list[str] = []
    match_all_tags: bool = False
    last_stop_reason: str | None = None
    created_by_id: str | None = None
    identity_id: str | None = None
    identifier_keys: list[str] = []
    project_id: str | None = None
    template_id: str | None = None
    base_template_id: str | None = None
    ascending: bool | None = None
    order_by: Literal["created_at", "updated_at", "last_run_completion"] | None = None
    sort_by: str | None = None

    def choose(self) -> QuerySet[Agent]:
        """The agents that fit."""
        fits = {
            "name": self.name,
            "name__icontains": self.query_text,
            "last_stop_reason": self.last_stop_reason,
            "identities": self.identity_id,
            "extras__project_id": self.project_id,
            "extras__template_id": self.template_id,
            "extras__base_template_id": self.base_template_id,
        }
        agents = with_last_run(Agent.objects.all()).filter(**{lookup: value for lookup, value in fits.items() if value})
        if self.identifier_keys:
            agents = agents.filter(pk__in=Agent.objects.filter(identities__identifier_key__in=self.identifier_keys))
        if self.created_by_id:
            agents = agents.filter(created_by=person_number(self.created_by_id) or 0)
        return agents.filter(holding("tags", self.tags, every=self.match_all_tags))

    def key(self) -> str:
        """What to sort by."""
        wanted = self.order_by or self.sort_by or ""
        return {"updated_at": "updated_at", "last_run_completion": "ran_at"}.get(wanted, "created_at")


def agents_page(request: HttpRequest, chosen: AgentFilter, agents: QuerySet[Agent]) -> list[dict[str, Any]]:
    """A page of these agents, newest first unless asked for otherwise; in as many queries for many as for one."""
    page = page_of(chosen, order="asc" if chosen.ascending else "desc")
    rows = cut(agents, page, key=chosen.key(), places=with_last_run(Agent.objects.all()))
    return agent_states(rows, chosen.wanted(request, history=False))


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
            identity_ids=body.identity_ids or (),
            include_base_tools=body.include_base_tools is not False,
            include_base_tool_rules=body.include_base_tool_rules,
        )
        _set_variables(request, agent, body)
        _set_folders(request, agent, body)
        first = [FileMessage.model_validate(message.model_dump()) for message in body.initial_message_sequence or ()]
        store_history(agent, first, ())
    return agent_state(agent)


@router.get("/agents")
def list_agents(request: HttpRequest, chosen: Query[AgentFilter]) -> list[dict[str, Any]]:
    """Agents, newest first."""
    return agents_page(request, chosen, chosen.choose())


@router.get("/agents/count")
def count(request: HttpRequest) -> int:
    """How many agents there are."""
    return Agent.objects.count()


@router.get("/agents/{agent_id}")
def retrieve(request: HttpRequest, agent_id: str, included: Query[Included]) -> dict[str, Any]:
    """One agent; `include=agent.pending_approval` adds what waits for a decision, `agent.secrets`, with a key of an
    administrator, the values of its secrets."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return agent_states([agent], included.wanted(request, history=True))[0]


@router.patch("/agents/{agent_id}")
def update(request: HttpRequest, agent_id: str, body: AgentFields) -> dict[str, Any]:
    """Change an agent; what is not sent stays. `tool_ids`, `block_ids`, `identity_ids` and
    `folder_ids` replace what is attached."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    with transaction.atomic():
        changed = change_agent(
            actor_of(request),
            agent,
            body.sent(),
            tool_ids=body.tool_ids,
            block_ids=body.block_ids,
            identity_ids=body.identity_ids,
        )
        _set_variables(request, changed, body)
        _set_folders(request, changed, body)
    return agent_state(changed)


@router.delete("/agents/{agent_id}")
def delete(request: HttpRequest, agent_id: str) -> None:
    """Delete an agent with its history."""
    delete_agent(actor_of(request), find(Agent.objects.all(), agent_id, "Agent"))


@router.post("/agents/{agent_id}/recompile")
def recompile(request: HttpRequest, agent_id: str, dry_run: bool = False, update_timestamp: bool = False) -> str:
    """The system prompt as the model is told it now: instructions and memory. It is put together anew for every
    request to the model, so that there is nothing to store, `dry_run` or not."""
    return compile_system(find(Agent.objects.all(), agent_id, "Agent"))


def _set_variables(request: HttpRequest, agent: Agent, body: AgentFields) -> None:
    """Replace the agent's variables by what was sent: `secrets`, or the older field, where what is shown stays so."""
    older, secrets = body.tool_exec_environment_variables, body.secrets
    if older is None and secrets is None:
        return
    values = {**(older or {}), **(secrets or {})}
    replace_variables(actor_of(request), agent, values, is_secret=None if secrets is None else True)


def _set_folders(request: HttpRequest, agent: Agent, body: AgentFields) -> None:
    """Replace the agent's folders by what was sent: `folder_ids`, or `source_ids` as older clients call them."""
    ids = body.source_ids if body.folder_ids is None else body.folder_ids
    if ids is not None:
        replace_folders(actor_of(request), agent, ids)
