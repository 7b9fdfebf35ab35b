"""Which workers are alive: each writes its heartbeat, and the runs of one that has stopped are anybody's (rule 6.2)."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from runs.models import Run, RunQuerySet, WorkerLease


def beat(worker: str) -> None:
    """Say that this worker is alive. By the database's clock: those of several machines differ."""
    if not WorkerLease.objects.filter(name=worker).update(beat_at=Now()):
        WorkerLease.objects.create(name=worker, beat_at=Now())


def let_go(worker: str) -> None:
    """This worker stops: others need not wait until its lease runs out."""
    WorkerLease.objects.filter(name=worker).delete()


def let_all_go() -> None:
    """Every other worker is gone. Only for one that holds the data directory."""
    WorkerLease.objects.all().delete()


def abandoned_runs() -> RunQuerySet:
    """Running runs whose worker has no live lease."""
    alive = WorkerLease.objects.filter(name=OuterRef("worker"), beat_at__gt=Now() - _lifetime())
    return Run.objects.running().filter(~Exists(alive))


def forget_dead() -> None:
    """Delete the leases that ran out long ago, with the permits that those workers held."""
    WorkerLease.objects.filter(beat_at__lt=Now() - 10 * _lifetime()).delete()


def _lifetime() -> timedelta:
    return timedelta(seconds=settings.ADE_LEASE_SECONDS)
