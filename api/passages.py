"""/v1/agents/{id}/archival-memory and /v1/passages: what agents remember, and the search in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from agents.models import Agent
from api.auth import actor_of
from api.errors import invalid
from api.lookup import find
from api.paging import Page, cut
from api.schemas.archives import AgentPassage, PassageQuestion, found_state, memory_state, passage_state
from archives.memory import archive_for, check, passages_of, remember
from archives.models import Archive
from archives.moments import read_moment, zone_of
from archives.search import DEFAULT_TOP_K, MOST_RESULTS, TagMatch, Wanted, search
from archives.shelves import delete_passage

router = Router(tags=["Archival memory"])


class MemoryPage(Schema):
    """Which of an agent's passages to list."""

    after: str | None = None
    before: str | None = None
    limit: int = Field(100, ge=0, le=MOST_RESULTS)
    search: str | None = None
    ascending: bool = True


class MemoryQuestion(Schema):
    """What to look for in an agent's archival memory. Times without a zone are in the agent's."""

    query: str
    tags: list[str] = []
    tag_match_mode: Literal["any", "all"] = "any"
    top_k: int = Field(DEFAULT_TOP_K, ge=1, le=MOST_RESULTS)
    start_datetime: str | None = None
    end_datetime: str | None = None

    def wanted(self, agent: Agent) -> Wanted:
        """The same for the search. Raises ApiProblem."""
        zone = zone_of(agent.timezone)

        def read(text: str | None, *, ends_day: bool = False) -> datetime | None:
            try:
                return read_moment(text, zone, ends_day=ends_day) if text else None
            except ValueError as error:
                raise invalid(str(error)) from error

        start, end = read(self.start_datetime), read(self.end_datetime, ends_day=True)
        return Wanted(self.query, self.tags, TagMatch(self.tag_match_mode), start, end, self.top_k)


@router.post("/agents/{agent_id}/archival-memory")
def create(request: HttpRequest, agent_id: str, body: AgentPassage) -> list[dict[str, Any]]:
    """Have an agent remember something: in the archive that was attached first, or in one that is made for it."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    memories = [body.memory()]
    check(memories)
    return [passage_state(passage) for passage in remember(archive_for(agent.pk), memories)]


@router.get("/agents/{agent_id}/archival-memory")
def list_of_agent(request: HttpRequest, agent_id: str, chosen: Query[MemoryPage]) -> list[dict[str, Any]]:
    """What an agent remembers, oldest first; `search` is for a part of the text."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    passages = passages_of(agent_id=agent.pk)
    if chosen.search:
        passages = passages.filter(text__icontains=chosen.search)
    page = Page("asc" if chosen.ascending else "desc", chosen.limit, chosen.after, chosen.before)
    return [passage_state(passage) for passage in cut(passages, page)]


@router.get("/agents/{agent_id}/archival-memory/search")
def search_of_agent(request: HttpRequest, agent_id: str, asked: Query[MemoryQuestion]) -> dict[str, Any]:
    """Search what an agent remembers, as its tool archival_memory_search does."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    zone = zone_of(agent.timezone)
    results = [memory_state(found, zone) for found in search(passages_of(agent_id=agent.pk), asked.wanted(agent))]
    return {"results": results, "count": len(results)}


@router.delete("/agents/{agent_id}/archival-memory/{memory_id}")
def delete(request: HttpRequest, agent_id: str, memory_id: str) -> None:
    """Have an agent forget a passage."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    delete_passage(actor_of(request), find(passages_of(agent_id=agent.pk), memory_id, "Passage"))


@router.post("/passages/search")
def search_passages(request: HttpRequest, body: PassageQuestion) -> list[dict[str, Any]]:
    """Search passages by words, and by meaning where their archives have an embedding model; best first."""
    if body.agent_id is not None:
        find(Agent.objects.all(), body.agent_id, "Agent")
    if body.archive_id is not None:
        find(Archive.objects.all(), body.archive_id, "Archive")
    passages = passages_of(agent_id=body.agent_id, archive_id=body.archive_id)
    return [found_state(found) for found in search(passages, body.wanted())]
