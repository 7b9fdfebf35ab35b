"""Taking a file into a folder: what it is called, what becomes of a name that is taken, when its text is read."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from django.conf import settings
from django.db import transaction

from access import activity
from access.activity import Actor
from folders.attachment import show_to_agents
from folders.extraction import Kind, kind_of
from folders.models import File, Folder, Upload
from folders.problems import FolderProblem, NameInUse, TooLarge
from folders.reading import read_now, read_soon

_LONGEST_NAME = 200


class Duplicates(StrEnum):
    """What becomes of an upload whose name the folder has already. Values are Letta's."""

    SKIP = "skip"
    ERROR = "error"
    SUFFIX = "suffix"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Sent:
    """A file as it was sent: `name` is what the sender calls it, `wanted_name` what it shall be called, "" for that."""

    name: str
    body: bytes
    wanted_name: str = ""


def take_file(actor: Actor, folder: Folder, sent: Sent, duplicates: Duplicates = Duplicates.SUFFIX) -> File:
    """The file's row. The text of plain text is there at once; that of a document is read soon, in the background.

    With `Duplicates.SKIP` the row may be that of the file that is there already. Raises NameInUse, UnreadableKind,
    TooLarge, FolderProblem.
    """
    check_size(len(sent.body))
    original = plain_name(sent.name)
    kind = kind_of(original, sent.body)
    with transaction.atomic():
        # One upload into a folder at a time, so that two cannot take the same name.
        locked = Folder.objects.select_for_update(no_key=True).get(pk=folder.pk)
        name = plain_name(sent.wanted_name or original)
        there = File.objects.filter(folder=locked, file_name=name).first()
        if there is not None:
            match duplicates:
                case Duplicates.SKIP:
                    return there
                case Duplicates.ERROR:
                    raise NameInUse(f"{locked.name} has a file called {name} already.")
                case Duplicates.REPLACE:
                    there.delete()
                case Duplicates.SUFFIX:
                    name = _free_name(locked, name)
        return _store(actor, locked, File(folder=locked, file_name=name, original_file_name=original), kind, sent.body)


def check_size(size: int) -> None:
    """Raises TooLarge for more bytes than are taken."""
    if size > settings.ADE_MAX_FILE_BYTES:
        raise TooLarge(f"A file has at most {settings.ADE_MAX_FILE_BYTES:,} bytes; this one has {size:,}.")


def plain_name(name: str) -> str:
    """A name without directories and without what no name should have. Raises FolderProblem where nothing is left."""
    last = PurePath(name.replace("\\", "/")).name
    kept = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C").strip()
    if not kept or kept in (".", ".."):
        raise FolderProblem("The file has no name. Send one.")
    path = PurePath(kept)
    ending = path.suffix[:20]
    return kept if len(kept) <= _LONGEST_NAME else path.stem[: _LONGEST_NAME - len(ending)] + ending


def _store(actor: Actor, folder: Folder, file: File, kind: Kind, body: bytes) -> File:
    file.file_type, file.file_size = kind.media_type, len(body)
    file.save(force_insert=True)
    show_to_agents(file)
    change = {"file": [None, file.file_name]}
    activity.note(actor, "uploaded a file", target_id=folder.pk, target_name=folder.name, changes=change)
    if kind.reader:
        Upload.objects.create(file=file, body=body)
        read_soon(file)
    else:
        read_now(file, body)
    return file


def _free_name(folder: Folder, name: str) -> str:
    """The name with the first number that makes it unused: notes_(1).txt."""
    path = PurePath(name)
    start, ending = path.stem, path.suffix
    used = set(
        File.objects.filter(folder=folder, file_name__startswith=f"{start}_(").values_list("file_name", flat=True)
    )
    return next(free for number in range(1, len(used) + 2) if (free := f"{start}_({number}){ending}") not in used)
