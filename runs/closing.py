"""Ends a run that no worker has begun: its log is one line."""

from __future__ import annotations

from django.utils import timezone

from engine.events import RunEnded, dump
from engine.specs import RunStatus, StopReason, status_for
from runs.models import Run, RunEvent


def close_unstarted(run: Run, stop_reason: StopReason, error: str) -> bool:
    """End a created run; False where a worker has taken it meanwhile. Call it in a transaction."""
    now, status = timezone.now(), status_for(stop_reason)
    created = Run.objects.filter(pk=run.pk, status=RunStatus.CREATED)
    if not created.update(status=status, stop_reason=stop_reason, error=error, ended_at=now, last_seq=1):
        return False
    ended = RunEnded(status, stop_reason, 0, error=error)
    RunEvent.objects.create(run=run, seq=1, type=ended.type, at=now, data=dump(ended))
    return True
