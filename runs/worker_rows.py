"""The rows in which workers tell of themselves; a part of runs.models, where everybody takes them from."""

from __future__ import annotations

from django.db import models


class WorkerLease(models.Model):
    """A worker that is alive as long as its heartbeat is young (see runs.leases)."""

    name = models.CharField(primary_key=True, max_length=64)
    beat_at = models.DateTimeField()
    started_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class HeldPermit(models.Model):
    """What a running call holds against those of other workers: a place of its tool, a lock group (rule 3.3)."""

    call_id = models.CharField(primary_key=True, max_length=64)
    worker = models.CharField(max_length=64)
    tool_id = models.CharField(max_length=64, db_index=True)
    tool_name = models.CharField(max_length=128)
    lock_group = models.CharField(max_length=64, blank=True, db_index=True)
    taken_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.call_id
