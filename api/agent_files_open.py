"""/v1/agents/{id}/files: the files of an agent's folders, and which of them it has open."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from agents.models import Agent
from api.auth import actor_of
from api.folders import ByCreation
from api.lookup import find
from api.paging import Page, cut, page_of
from api.schemas.folders import agent_file_state
from folders.desk import Wanted, close_all, close_file, note_desk, open_files
from folders.file_search import files_of
from folders.models import File, FileAgent

router = Router(tags=["Agents: files"])


class AgentFileFilter(ByCreation):
    """Which of the agent's files to list. `cursor` is the older name of `after`."""

    is_open: bool | None = None
    cursor: str | None = None


@router.get("/agents/{agent_id}/files")
def list_files(request: HttpRequest, agent_id: str, chosen: Query[AgentFileFilter]) -> dict[str, Any]:
    """The agent's files, newest first, a page of them; `next_cursor` is where the next page begins. Cursors may be the
    ids of files or of entries."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    views = FileAgent.objects.filter(agent=agent).select_related("file__folder").defer("file__content")
    if chosen.is_open is not None:
        views = views.filter(is_open=chosen.is_open)
    wanted = page_of(chosen, limit=20)
    after, before = _entry(agent, chosen.after or chosen.cursor), _entry(agent, chosen.before)
    rows = cut(views, Page(wanted.order, wanted.limit + 1, after, before), key="file__created_at")
    has_more = len(rows) > wanted.limit
    from_end = before is not None and after is None
    # One more than asked for was read, to know whether there are more: at the far end.
    page = (rows[-wanted.limit :] if from_end else rows[: wanted.limit]) if has_more and wanted.limit else rows
    page = page if wanted.limit else []
    edge = (page[0] if from_end else page[-1]).pk if page and has_more else None
    return {"files": [agent_file_state(view) for view in page], "next_cursor": edge, "has_more": has_more}


# Before the paths of one file: "close-all" must not be taken for its id.
@router.patch("/agents/{agent_id}/files/close-all")
def close_all_files(request: HttpRequest, agent_id: str) -> list[str]:
    """Close every file; answers with the names of those that were open."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    closed = close_all(agent)
    note_desk(actor_of(request), agent, closed=closed)
    return closed


@router.patch("/agents/{agent_id}/files/{file_id}/open")
def open_file(request: HttpRequest, agent_id: str, file_id: str) -> list[str]:
    """Open a file from its start; answers with the names of those that had to be closed for it."""
    agent, file = _found(agent_id, file_id)
    closed = open_files(agent, [Wanted(file)])
    note_desk(actor_of(request), agent, opened=[file.path], closed=closed)
    return closed


@router.patch("/agents/{agent_id}/files/{file_id}/close")
def close(request: HttpRequest, agent_id: str, file_id: str) -> None:
    """Close a file."""
    agent, file = _found(agent_id, file_id)
    closed = close_file(agent, file)
    note_desk(actor_of(request), agent, closed=closed)


def _found(agent_id: str, file_id: str) -> tuple[Agent, File]:
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return agent, find(files_of(agent.pk), file_id, "File")


def _entry(agent: Agent, cursor: str | None) -> str | None:
    """The id of the entry that a cursor means; one that means nothing is ignored."""
    if not cursor or cursor.startswith("file_agent-"):
        return cursor or None
    return FileAgent.objects.filter(agent=agent, file_id=cursor).values_list("pk", flat=True).first()
