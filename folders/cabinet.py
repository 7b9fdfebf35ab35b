"""Folders and their files: here and only here they are made, changed and deleted, whoever asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from access import activity
from access.activity import Actor
from access.changes import assign, explain
from folders.models import File, Folder
from folders.problems import FolderProblem, NameInUse

CHANGEABLE = frozenset({"name", "description", "instructions", "metadata", "embedding_config"})


def create_folder(actor: Actor, fields: Mapping[str, Any]) -> Folder:
    """A new folder that no agent has yet. Raises FolderProblem."""
    folder = Folder(created_by=actor.person, updated_by=actor.person)
    assign(folder, _known(fields))
    with transaction.atomic():
        _check(folder)
        folder.save(force_insert=True)
        activity.note(actor, "created", target_id=folder.pk, target_name=folder.name)
    return folder


def change_folder(actor: Actor, folder: Folder, changes: Mapping[str, Any]) -> Folder:
    """The folder with only these fields changed, as it is stored now. Raises FolderProblem, Folder.DoesNotExist."""
    with transaction.atomic():
        stored = Folder.objects.select_for_update(no_key=True).get(pk=folder.pk)
        changed = assign(stored, _known(changes))
        if changed:
            stored.updated_by = actor.person
            _check(stored)
            stored.save(update_fields=[*changed, "updated_by", "updated_at"])
            activity.note(actor, "changed", target_id=stored.pk, target_name=stored.name, changes=changed)
    return stored


def delete_file(actor: Actor, file: File) -> None:
    """The file is gone, for every agent."""
    with transaction.atomic():
        changes = {"file": [file.file_name, None]}
        activity.note(actor, "deleted a file", target_id=file.folder_id, target_name=file.folder.name, changes=changes)
        file.delete()


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in fields.items() if name in CHANGEABLE}
    if isinstance(known.get("name"), str):
        known["name"] = known["name"].strip()
    return known


def _check(folder: Folder) -> None:
    """Raises NameInUse, FolderProblem."""
    if "/" in folder.name:
        raise FolderProblem("A folder's name has no slash in it: files are called folder/file.")
    if any(ord(sign) < 32 for sign in folder.name):
        raise FolderProblem("A folder's name is one line of text.")
    if Folder.objects.filter(name=folder.name).exclude(pk=folder.pk).exists():
        raise NameInUse(f"There is already a folder called {folder.name}.")
    try:
        folder.full_clean()
    except ValidationError as error:
        raise FolderProblem(explain(error)) from error
