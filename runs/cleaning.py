"""Deletes what is kept for a while only."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from runs.models import RunDelta

DELTA_LIFETIME = timedelta(hours=1)


def delete_old_deltas() -> int:
    """Delete the deltas of runs that ended an hour ago; how many there were."""
    deleted, _ = RunDelta.objects.filter(run__ended_at__lt=timezone.now() - DELTA_LIFETIME).delete()
    return deleted
