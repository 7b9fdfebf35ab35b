"""What agents can read: folders of files, the text of each, and which files an agent has open."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from django.db import models
from django.utils import timezone

from access.models import Person
from agents.models import Agent
from engine.ids import new_id


def new_search_row() -> int:
    """A row number that is free: so many that two will hardly ever be the same, and the column is unique."""
    return secrets.randbits(62)


def no_embedding() -> dict[str, Any]:
    """What clients are told of a folder whose files are searched by words alone. The SDKs' type wants one of its names
    as the endpoint's type."""
    return {"embedding_model": "none", "embedding_endpoint_type": "openai", "embedding_dim": 0}


class Folder(models.Model):
    """A collection of files that any number of agents read. To Letta's clients it is also a "source".

    `instructions` tell agents how to use it. `embedding_config` is kept as clients sent it: files are found by words.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "source"), editable=False)
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    instructions = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    embedding_config = models.JSONField(default=no_embedding, blank=True)
    agents = models.ManyToManyField(Agent, through="FolderAgent", related_name="folders")
    created_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    updated_by = models.ForeignKey(Person, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class FolderAgent(models.Model):
    """A folder attached to an agent."""

    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="links")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="folder_links")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["folder", "agent"], name="folder_attached_once")]

    def __str__(self) -> str:
        return f"{self.folder} of {self.agent}"


class ReadingState(models.TextChoices):
    """How far the reading of a file's text is. Values are Letta's."""

    PENDING = "pending", "Waiting"
    PARSING = "parsing", "Being read"
    EMBEDDING = "embedding", "Being indexed"
    COMPLETED = "completed", "Ready"
    ERROR = "error", "Failed"


class File(models.Model):
    """A file of a folder: its text and what was said of it, not its bytes.

    `file_name` is unique in its folder; `original_file_name` is what it was uploaded as. `file_size` is in bytes.
    `content` is there when the state is completed, `error_message` when it is error.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "file"), editable=False)
    folder = models.ForeignKey(Folder, on_delete=models.CASCADE, related_name="files")
    file_name = models.CharField(max_length=250)
    original_file_name = models.CharField(max_length=250)
    file_type = models.CharField(max_length=100, blank=True)
    file_size = models.PositiveBigIntegerField(default=0)
    processing_status = models.CharField(
        max_length=16, choices=ReadingState.choices, default=ReadingState.PENDING, db_index=True
    )
    error_message = models.TextField(blank=True)
    total_chunks = models.PositiveIntegerField(default=0)
    chunks_embedded = models.PositiveIntegerField(default=0)
    content = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["file_name"]
        constraints = [models.UniqueConstraint(fields=["folder", "file_name"], name="file_name_once_in_a_folder")]
        indexes = [models.Index(fields=["folder", "created_at", "id"], name="files_in_order")]

    def __str__(self) -> str:
        return self.file_name

    @property
    def path(self) -> str:
        """What agents and clients call it: the folder's name, a slash, its name."""
        return f"{self.folder.name}/{self.file_name}"

    @property
    def is_ready(self) -> bool:
        """Whether its text is there."""
        return self.processing_status == ReadingState.COMPLETED

    @property
    def is_waiting(self) -> bool:
        """Whether its text is still to come."""
        return self.processing_status not in (ReadingState.COMPLETED, ReadingState.ERROR)


class Upload(models.Model):
    """The bytes of a file until its text has been read from them. `claimed_at`: since when somebody reads."""

    file = models.OneToOneField(File, on_delete=models.CASCADE, primary_key=True, related_name="upload")
    body = models.BinaryField()
    claimed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Bytes of {self.file}"


class Piece(models.Model):
    """Some lines of a file's text, as search finds them. `first_line` counts from 1.

    `search_row` is its row in SQLite's full text index, which triggers on this table keep in step: a migration that
    makes SQLite build the table anew must install them again (`access.full_text`).
    """

    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="pieces")
    first_line = models.PositiveIntegerField()
    last_line = models.PositiveIntegerField()
    text = models.TextField()
    search_row = models.BigIntegerField(unique=True, default=new_search_row, editable=False)

    class Meta:
        ordering = ["file", "first_line", "id"]

    def __str__(self) -> str:
        return self.text[:60]


class FileAgent(models.Model):
    """A file as one agent has it: open, and then with what lines and text of it in view, or closed.

    `start_line` and `end_line` count from 1, both are shown; None means the file's start or end.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "file_agent"), editable=False)
    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="views")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="file_views")
    is_open = models.BooleanField(default=False)
    visible_content = models.TextField(blank=True)
    start_line = models.PositiveIntegerField(null=True, blank=True)
    end_line = models.PositiveIntegerField(null=True, blank=True)
    last_accessed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["file__file_name"]
        constraints = [models.UniqueConstraint(fields=["file", "agent"], name="file_seen_once_by_an_agent")]
        indexes = [models.Index(fields=["agent", "is_open"], name="open_files_of_agent")]

    def __str__(self) -> str:
        return f"{self.file} of {self.agent}"
