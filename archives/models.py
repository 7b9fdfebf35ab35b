"""What long-term memory is: archives of passages, and which agents read them."""

from __future__ import annotations

import secrets
from functools import partial
from typing import Any

from django.db import models
from django.db.models import CASCADE, SET_NULL, QuerySet
from django.utils import timezone

from agents.models import Agent
from engine.ids import new_id


def new_search_row() -> int:
    """A row number that is free: so many that two will hardly ever be the same, and the column is unique."""
    return secrets.randbits(62)


def with_its_agent_unless_shared(collector: Any, field: Any, archives: QuerySet[Archive], using: str) -> None:
    """What becomes of archives whose maker is deleted: other agents keep theirs, all else goes with it."""
    shared = Archive.objects.using(using).filter(pk__in=[archive.pk for archive in archives])
    kept = {archive.pk for archive in shared if archive.links.exclude(agent_id=archive.made_by_id).exists()}
    CASCADE(collector, field, archives.exclude(pk__in=kept), using)
    SET_NULL(collector, field, archives.filter(pk__in=kept), using)


class Archive(models.Model):
    """A collection of passages that any number of agents read and write.

    `embedding` is the handle of the model that turns its passages into vectors, "" for none; `embedding_config` is what
    clients are told of that model. `made_by` is the agent at whose first insert it was made, if it was.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "archive"), editable=False)
    name = models.CharField(max_length=200, db_index=True)
    description = models.TextField(blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    embedding = models.CharField(max_length=200, blank=True)
    embedding_config = models.JSONField(null=True, blank=True)
    made_by = models.ForeignKey(
        Agent, null=True, blank=True, on_delete=with_its_agent_unless_shared, related_name="own_archives"
    )
    agents = models.ManyToManyField(Agent, through="ArchiveAgent", related_name="archives")
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class ArchiveAgent(models.Model):
    """An archive attached to an agent; the agent writes into the one that was attached first."""

    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="links")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="archive_links")

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["archive", "agent"], name="archive_attached_once")]

    def __str__(self) -> str:
        return f"{self.archive} of {self.agent}"


class Passage(models.Model):
    """One memory. `embedding` is its vector of length 1 as 32-bit floats, None where there is none.

    `search_row` is its row in SQLite's full-text index, which triggers on this table keep in step: a migration that
    makes SQLite build the table anew must install them again (`archives.full_text`).
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "passage"), editable=False)
    archive = models.ForeignKey(Archive, on_delete=models.CASCADE, related_name="passages")
    text = models.TextField()
    tags = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    embedding = models.BinaryField(null=True, blank=True)
    search_row = models.BigIntegerField(unique=True, default=new_search_row, editable=False)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["archive", "created_at", "id"], name="passages_in_order")]

    def __str__(self) -> str:
        return self.text[:60]
