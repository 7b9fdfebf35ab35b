"""Archival memory: what agents and people put into it, and find again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agents.models import Agent
from archives.models import Archive, ArchiveAgent, Passage
from archives.problems import ArchiveProblem
from archives.search import Found, TagMatch, Wanted, search
from archives.vectors import embedding_config, learn_dimensions, vectors_of
from llms.errors import BadHandle

LONGEST_TEXT = 100_000
LONGEST_TAG = 200


@dataclass(frozen=True, slots=True)
class Memory:
    """What is to be remembered. `created_at` None means now."""

    text: str
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


def archives_of(agent_id: str) -> QuerySet[Archive]:
    """The archives attached to the agent, the first attached one first."""
    return Archive.objects.filter(links__agent_id=agent_id).order_by("links__id")


def passages_of(*, agent_id: str | None = None, archive_id: str | None = None) -> QuerySet[Passage]:
    """All passages, or those that the agent reads, or those of the archive."""
    passages = Passage.objects.select_related("archive")
    if agent_id is not None:
        passages = passages.filter(archive__links__agent_id=agent_id)
    if archive_id is not None:
        passages = passages.filter(archive_id=archive_id)
    return passages


def archive_for(agent_id: str) -> Archive:
    """The archive that the agent writes into; where it has none, one is made for it. Raises Agent.DoesNotExist."""
    with transaction.atomic():
        # Two calls that run together must not make two.
        agent = Agent.objects.select_for_update(no_key=True).get(pk=agent_id)
        attached = archives_of(agent_id).first()
        if attached is not None:
            return attached
        handle, config = _embedding_of(agent)
        archive = Archive.objects.create(
            name=f"{agent.name}'s Archive"[:200], embedding=handle, embedding_config=config, made_by=agent
        )
        ArchiveAgent.objects.create(archive=archive, agent=agent)
    return archive


def insert(agent_id: str, text: str, tags: Sequence[str] = ()) -> Passage:
    """Remember this for the agent. Blocks while its embedding model works. Raises ArchiveProblem, Agent.DoesNotExist."""
    memories = [Memory(text, tags)]
    check(memories)
    return remember(archive_for(agent_id), memories)[0]


def remember(archive: Archive, memories: Sequence[Memory]) -> list[Passage]:
    """All of them or none, in this order. Blocks while the embedding model works. Raises ArchiveProblem."""
    check(memories)
    return store(archive, memories, vectors_of(archive.embedding, [memory.text for memory in memories]))


def store(archive: Archive, memories: Sequence[Memory], vectors: Sequence[bytes | None]) -> list[Passage]:
    """The memories with their vectors as passages, without asking anybody. What is stored is in the full-text index."""
    now = timezone.now()
    passages = [
        Passage(
            archive=archive,
            text=memory.text,
            tags=clean_tags(memory.tags),
            metadata=dict(memory.metadata),
            embedding=vector,
            created_at=memory.created_at or now,
        )
        for memory, vector in zip(memories, vectors, strict=True)
    ]
    with transaction.atomic():
        Passage.objects.bulk_create(passages)
        learn_dimensions(archive, next((vector for vector in vectors if vector is not None), None))
    return passages


def check(memories: Iterable[Memory]) -> None:
    """Raises ArchiveProblem for what cannot be kept."""
    for memory in memories:
        if not memory.text.strip():
            raise ArchiveProblem("There is no text to remember.")
        if len(memory.text) > LONGEST_TEXT:
            raise ArchiveProblem(
                f"A passage holds at most {LONGEST_TEXT:,} characters; this text has {len(memory.text):,}. Split it."
            )
        if any(len(tag) > LONGEST_TAG for tag in memory.tags):
            raise ArchiveProblem(f"A tag has at most {LONGEST_TAG} characters.")
        if "\0" in memory.text or any("\0" in tag for tag in memory.tags):
            raise ArchiveProblem("A text or a tag has a NUL character, which cannot be stored.")


def clean_tags(tags: Iterable[str]) -> list[str]:
    """Each tag once, without blanks around it, in their order."""
    return list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))


def search_agent(
    agent_id: str,
    query: str,
    *,
    tags: Sequence[str] = (),
    tag_match_mode: TagMatch = TagMatch.ANY,
    start: datetime | None = None,
    end: datetime | None = None,
    top_k: int = 10,
) -> list[Found]:
    """What the agent remembers of this, best first. Blocks while its embedding model works."""
    wanted = Wanted(query, tags, tag_match_mode, start, end, top_k)
    return search(passages_of(agent_id=agent_id), wanted)


def _embedding_of(agent: Agent) -> tuple[str, dict[str, Any] | None]:
    """The embedding model that the agent names, if Tandem can ask it. Clients may name any: then there are no vectors."""
    sent = agent.extras.get("embedding_config") or {}
    handle = agent.extras.get("embedding") or sent.get("handle") or ""
    if not handle:
        return "", None
    try:
        return handle, embedding_config(handle, sent)
    except BadHandle:
        return "", None
