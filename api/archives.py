"""/v1/archives, their passages, and which archives an agent has."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Status

from agents.models import Agent
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.archives import ArchiveFields, NewArchive, NewPassage, NewPassages, archive_state, passage_state
from archives.memory import remember
from archives.models import Archive, Passage
from archives.shelves import (
    attach_archive,
    change_archive,
    create_archive,
    delete_archive,
    delete_passage,
    detach_archive,
)

router = Router(tags=["Archives"])


class ArchiveFilter(Cursor):
    """Which archives to list."""

    agent_id: str | None = None
    name: str | None = None
    order_by: Literal["created_at"] | None = None

    def choose(self) -> QuerySet[Archive]:
        """The archives that fit."""
        archives = Archive.objects.all()
        if self.agent_id:
            archives = archives.filter(links__agent_id=self.agent_id)
        if self.name:
            archives = archives.filter(name=self.name)
        return archives


@router.post("/archives")
def create(request: HttpRequest, body: NewArchive) -> dict[str, Any]:
    """Make an archive that no agent has yet. With `embedding`, a handle such as "openai/text-embedding-3-small", it is
    searched by meaning too."""
    archive = create_archive(
        actor_of(request),
        name=body.name,
        description=body.description or "",
        embedding=body.embedding,
        config=body.embedding_config,
    )
    return archive_state(archive)


@router.get("/archives")
def list_archives(request: HttpRequest, chosen: Query[ArchiveFilter]) -> list[dict[str, Any]]:
    """Archives, newest first."""
    return [archive_state(archive) for archive in cut(chosen.choose(), page_of(chosen))]


@router.get("/archives/{archive_id}")
def retrieve(request: HttpRequest, archive_id: str) -> dict[str, Any]:
    """One archive."""
    return archive_state(_archive(archive_id))


@router.patch("/archives/{archive_id}")
def update(request: HttpRequest, archive_id: str, body: ArchiveFields) -> dict[str, Any]:
    """Change an archive; what is not sent stays."""
    return archive_state(change_archive(actor_of(request), _archive(archive_id), body.model_dump(exclude_unset=True)))


@router.delete("/archives/{archive_id}", response={204: None})
def delete(request: HttpRequest, archive_id: str) -> Status[None]:
    """Delete an archive with its passages."""
    delete_archive(actor_of(request), _archive(archive_id))
    return Status(204, None)


@router.post("/archives/{archive_id}/passages")
def create_passage(request: HttpRequest, archive_id: str, body: NewPassage) -> dict[str, Any]:
    """Put a passage into an archive."""
    [passage] = remember(_archive(archive_id), [body.memory()])
    return passage_state(passage)


# Before the path of one passage: "batch" must not be taken for its id.
@router.post("/archives/{archive_id}/passages/batch")
def create_passages(request: HttpRequest, archive_id: str, body: NewPassages) -> list[dict[str, Any]]:
    """Put passages into an archive, all or none."""
    passages = remember(_archive(archive_id), [passage.memory() for passage in body.passages])
    return [passage_state(passage) for passage in passages]


@router.delete("/archives/{archive_id}/passages/{passage_id}", response={204: None})
def delete_passage_of_archive(request: HttpRequest, archive_id: str, passage_id: str) -> Status[None]:
    """Delete a passage of an archive."""
    archive = _archive(archive_id)
    delete_passage(actor_of(request), find(Passage.objects.filter(archive=archive), passage_id, "Passage"))
    return Status(204, None)


@router.patch("/agents/{agent_id}/archives/attach/{archive_id}")
def attach(request: HttpRequest, agent_id: str, archive_id: str) -> None:
    """Have an agent read and write an archive."""
    attach_archive(actor_of(request), _archive(archive_id), find(Agent.objects.all(), agent_id, "Agent"))


@router.patch("/agents/{agent_id}/archives/detach/{archive_id}")
def detach(request: HttpRequest, agent_id: str, archive_id: str) -> None:
    """Have an agent read an archive no longer; the archive stays."""
    detach_archive(actor_of(request), _archive(archive_id), find(Agent.objects.all(), agent_id, "Agent"))


def _archive(archive_id: str) -> Archive:
    return find(Archive.objects.all(), archive_id, "Archive")
