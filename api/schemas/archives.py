"""Archives and passages as the SDKs know them."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from ninja import Schema
from pydantic import Field

from api.schemas.dates import entity_date
from archives.built_ins import relevance
from archives.memory import Memory
from archives.models import Archive, Passage
from archives.moments import say_moment
from archives.search import MOST_RESULTS, Found, TagMatch, Wanted
from archives.vectors import numbers_of


class NewArchive(Schema):
    """An archive to make."""

    name: str
    description: str | None = None
    embedding: str | None = None
    embedding_config: dict[str, Any] | None = None


class ArchiveFields(Schema):
    """What can be said about an archive. What is not sent stays."""

    name: str | None = None
    description: str | None = None


class AgentPassage(Schema):
    """Something for an agent to remember."""

    text: str
    tags: list[str] | None = None
    created_at: datetime | None = None

    def memory(self) -> Memory:
        """The same for archival memory."""
        return Memory(self.text, self.tags or (), created_at=aware(self.created_at))


class NewPassage(AgentPassage):
    """A passage to put into an archive."""

    metadata: dict[str, Any] | None = None

    def memory(self) -> Memory:
        """The same for archival memory."""
        return Memory(self.text, self.tags or (), self.metadata or {}, aware(self.created_at))


class NewPassages(Schema):
    """Passages to put into an archive, all or none."""

    passages: list[NewPassage] = Field(max_length=1000)


class PassageQuestion(Schema):
    """What to look for: in an agent's archives, in one archive, or in all. Without a query the newest are given."""

    query: str | None = None
    agent_id: str | None = None
    archive_id: str | None = None
    tags: list[str] | None = None
    tag_match_mode: Literal["any", "all"] = "any"
    start_date: datetime | None = None
    end_date: datetime | None = None
    limit: int = Field(50, ge=1, le=MOST_RESULTS)

    def wanted(self) -> Wanted:
        """The same for the search."""
        return Wanted(
            self.query or "",
            self.tags or (),
            TagMatch(self.tag_match_mode),
            aware(self.start_date),
            aware(self.end_date),
            self.limit,
        )


def aware(moment: datetime | None) -> datetime | None:
    """A time without a zone is in UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def archive_state(archive: Archive) -> dict[str, Any]:
    """An Archive."""
    return {
        "id": archive.pk,
        "name": archive.name,
        "description": archive.description or None,
        "metadata": archive.metadata,
        "embedding_config": archive.embedding_config,
        "vector_db_provider": "native",
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(archive.created_at),
        "updated_at": entity_date(archive.updated_at),
    }


def passage_state(passage: Passage) -> dict[str, Any]:
    """A Passage, whose archive has been loaded with it."""
    return {
        "id": passage.pk,
        "archive_id": passage.archive_id,
        "text": passage.text,
        "tags": passage.tags,
        "metadata": passage.metadata,
        "embedding": numbers_of(passage.embedding),
        "embedding_config": passage.archive.embedding_config,
        "file_id": None,
        "file_name": None,
        "source_id": None,
        "is_deleted": False,
        "created_by_id": None,
        "last_updated_by_id": None,
        "created_at": entity_date(passage.created_at),
        "updated_at": entity_date(passage.updated_at),
    }


def found_state(found: Found) -> dict[str, Any]:
    """An item of a search among passages."""
    return {"passage": passage_state(found.passage), "score": found.score, "metadata": relevance(found)}


def memory_state(found: Found, zone: tzinfo) -> dict[str, Any]:
    """A result of a search in an agent's archival memory."""
    passage = found.passage
    return {
        "id": passage.pk,
        "content": passage.text,
        "timestamp": say_moment(passage.created_at, zone),
        "tags": passage.tags,
    }
