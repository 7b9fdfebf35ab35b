"""Archives themselves: here and only here they are made, changed, attached and deleted, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain, save_changes
from agents.models import Agent
from archives.models import Archive, ArchiveAgent, Passage
from archives.problems import ArchiveProblem, UnknownEmbedding
from archives.vectors import embedding_config
from llms.errors import BadHandle

CHANGEABLE = frozenset({"name", "description", "metadata"})


def create_archive(
    actor: Actor,
    *,
    name: str,
    description: str = "",
    embedding: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> Archive:
    """A new archive that no agent has yet. Without an embedding model it is searched by words alone. `config` is what a
    client says of that model; it may name it. Raises ArchiveProblem, UnknownEmbedding."""
    handle = embedding or (config or {}).get("handle") or ""
    try:
        described = embedding_config(handle, config) if handle else None
    except BadHandle as error:
        raise UnknownEmbedding(str(error)) from error
    archive = Archive(name=name, description=description, embedding=handle, embedding_config=described)
    with transaction.atomic():
        _check(archive)
        archive.save(force_insert=True)
        activity.note(actor, "created", target_id=archive.pk, target_name=archive.name)
    return archive


def change_archive(actor: Actor, archive: Archive, changes: Mapping[str, Any]) -> Archive:
    """The archive with only these fields changed, as it is stored now. Raises ArchiveProblem, Archive.DoesNotExist."""
    with transaction.atomic():
        stored = Archive.objects.select_for_update(no_key=True).get(pk=archive.pk)
        changed = assign(stored, {field: value for field, value in changes.items() if field in CHANGEABLE})
        if changed:
            try:
                save_changes(stored, changed)
            except ValidationError as error:
                raise ArchiveProblem(explain(error)) from error
            activity.note(actor, "changed", target_id=stored.pk, target_name=stored.name, changes=changed)
    return stored


def delete_archive(actor: Actor, archive: Archive) -> None:
    """The archive is gone, with its passages, for every agent that had it."""
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=archive.pk, target_name=archive.name)
        archive.delete()


def attach_archive(actor: Actor, archive: Archive, agent: Agent) -> None:
    """The agent reads the archive from now on, and writes into it if it is the agent's first. Twice is once."""
    with transaction.atomic():
        if ArchiveAgent.objects.get_or_create(archive=archive, agent=agent)[1]:
            _note_attachment(actor, "attached an archive", archive, agent)


def detach_archive(actor: Actor, archive: Archive, agent: Agent) -> None:
    """The agent no longer reads the archive, which stays."""
    with transaction.atomic():
        if ArchiveAgent.objects.filter(archive=archive, agent=agent).delete()[0]:
            _note_attachment(actor, "detached an archive", archive, agent)


def delete_passage(actor: Actor, passage: Passage) -> None:
    """The passage is forgotten."""
    with transaction.atomic():
        activity.note(actor, "deleted", target_id=passage.pk, target_name=passage.text)
        passage.delete()


def _note_attachment(actor: Actor, verb: str, archive: Archive, agent: Agent) -> None:
    changes = {"archive": [None, archive.name]}
    activity.note(actor, verb, target_id=agent.pk, target_name=agent.name, changes=changes)


def _check(archive: Archive) -> None:
    try:
        archive.full_clean()
    except ValidationError as error:
        raise ArchiveProblem(explain(error)) from error
