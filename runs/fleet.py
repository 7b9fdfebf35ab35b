"""The workers as a person sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import BooleanField, Case, Count, QuerySet, Value, When
from django.db.models.functions import Now

from runs.leases import process_name
from runs.models import Run, WorkerLease


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """One worker. `is_here`: it lives in this process."""

    name: str
    machine: str
    pid: str
    started_at: datetime
    beat_at: datetime
    is_alive: bool
    is_here: bool
    run_count: int


def live_leases() -> QuerySet[WorkerLease]:
    """The leases of the workers that are alive, by the database's clock."""
    return WorkerLease.objects.filter(beat_at__gt=Now() - timedelta(seconds=settings.ADE_LEASE_SECONDS))


def workers() -> list[WorkerFacts]:
    """Every worker that holds a lease, the oldest first, with the runs that it executes."""
    counts = dict(Run.objects.running().order_by().values_list("worker").annotate(count=Count("pk")))
    alive = When(beat_at__gt=Now() - timedelta(seconds=settings.ADE_LEASE_SECONDS), then=Value(True))
    leases = WorkerLease.objects.annotate(is_alive=Case(alive, default=Value(False), output_field=BooleanField()))
    return [_facts(lease, counts.get(lease.name, 0)) for lease in leases.order_by("started_at", "name")]


def _facts(lease: WorkerLease, run_count: int) -> WorkerFacts:
    machine, _, rest = lease.name.partition(":")
    return WorkerFacts(
        name=lease.name,
        machine=machine,
        pid=rest.partition(":")[0],
        started_at=lease.started_at,
        beat_at=lease.beat_at,
        is_alive=bool(getattr(lease, "is_alive", False)),
        is_here=lease.name.startswith(process_name()),
        run_count=run_count,
    )
