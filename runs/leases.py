"""Which workers are alive: each writes its heartbeat, and the runs of one that has stopped are anybody's (rule 6.2)."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from runs.models import HeldPermit, Run, RunQuerySet, WorkerLease


def process_name() -> str:
    """How the names of this process's workers begin: unique among all that run now on any machine."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}:"


def has_live_lease() -> bool:
    """Whether a worker of this process has a lease that has not run out."""
    mine = WorkerLease.objects.filter(name__startswith=process_name())
    return mine.filter(beat_at__gt=Now() - _lifetime()).exists()


def register(worker: str) -> None:
    """This worker lives from now on. By the database's clock: those of several machines differ."""
    WorkerLease.objects.update_or_create(name=worker, defaults={"beat_at": Now()})


def beat(worker: str) -> bool:
    """Say that this worker is still alive. False where it had been declared dead: its runs are others' by now."""
    return bool(WorkerLease.objects.filter(name=worker).update(beat_at=Now()))


def let_go(worker: str) -> None:
    """This worker stops: others need not wait until its lease runs out."""
    with transaction.atomic():
        _bury([worker])


def let_others_go(worker: str) -> None:
    """Every other worker is gone. Only for one that holds the data directory."""
    with transaction.atomic():
        _bury(list(WorkerLease.objects.exclude(name=worker).values_list("name", flat=True)))
        HeldPermit.objects.exclude(worker=worker).delete()


def declare_dead(judge: str) -> list[str]:
    """Delete the leases that have run out, with the permits that those workers held; their names.

    From then on their runs are anybody's, and they themselves learn of it at their next `beat`.
    """
    with transaction.atomic():
        silent = WorkerLease.objects.exclude(name=judge).filter(beat_at__lt=Now() - _lifetime())
        locked = silent.select_for_update(skip_locked=connection.vendor == "postgresql")
        names = list(locked.values_list("name", flat=True))
        _bury(names)
    return names


def abandoned_runs() -> RunQuerySet:
    """Running runs whose worker has no lease."""
    return Run.objects.running().filter(~Exists(WorkerLease.objects.filter(name=OuterRef("worker"))))


def _bury(workers: list[str]) -> None:
    HeldPermit.objects.filter(worker__in=workers).delete()
    WorkerLease.objects.filter(name__in=workers).delete()


def _lifetime() -> timedelta:
    return timedelta(seconds=settings.ADE_LEASE_SECONDS)
