"""Deletes the logs of old runs. What was said and what the calls returned stays: it is the agent's history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from runs.models import ProviderTrace, Run, RunDelta, RunEvent, RunQuerySet

_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many logs went, and how many rows they had."""

    runs: int = 0
    events: int = 0
    deltas: int = 0

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.runs + other.runs, self.events + other.events, self.deltas + other.deltas)


def cutoff(days: int) -> datetime:
    """The logs of runs that ended before this time are not kept for longer than so many days."""
    return timezone.now() - timedelta(days=days)


def runs_to_prune(before: datetime) -> RunQuerySet:
    """Runs that ended before then and still have a log.

    Not those that wait for a decision, nor those that a younger run goes on with: the two are judged together.
    """
    has_log = Exists(RunEvent.objects.filter(run=OuterRef("pk"))) | Exists(RunDelta.objects.filter(run=OuterRef("pk")))
    undecided = Run.objects.awaiting_approval().filter(pk=OuterRef("pk"))
    goes_on = Run.objects.filter(resumes_run=OuterRef("pk")).exclude(ended_at__lt=before)
    return Run.objects.filter(has_log, ~Exists(undecided), ~Exists(goes_on), ended_at__lt=before)


def prune_some(before: datetime, at_most: int = _AT_ONCE) -> Pruned:
    """Prune the oldest of them, each run in a transaction of its own: a log is there whole or not at all."""
    pruned = Pruned()
    for run_id in runs_to_prune(before).order_by("ended_at").values_list("pk", flat=True)[:at_most]:
        pruned += _prune_run(run_id)
    return pruned


def count_prunable(before: datetime) -> Pruned:
    """What pruning would delete."""
    runs = runs_to_prune(before).values("pk")
    events, deltas = (rows.objects.filter(run__in=runs).count() for rows in (RunEvent, RunDelta))
    return Pruned(runs.count(), events, deltas)


def prune_as_configured() -> Pruned:
    """One round of what the retention setting asks for. Nothing where logs are kept for ever."""
    days = settings.ADE_RETENTION_DAYS
    return prune_some(cutoff(days)) if days else Pruned()


def is_pruned(run: Run) -> bool:
    """Whether this run had a log that has been deleted."""
    return run.is_ended and run.last_seq > 0 and not RunEvent.objects.filter(run=run).exists()


def _prune_run(run_id: str) -> Pruned:
    with transaction.atomic():
        events, _ = RunEvent.objects.filter(run=run_id).delete()
        deltas, _ = RunDelta.objects.filter(run=run_id).delete()
        ProviderTrace.objects.filter(step__run=run_id).delete()
    return Pruned(1, events, deltas)
