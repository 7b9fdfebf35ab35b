"""Why a run that has not begun waits, and how many are before it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q

from engine.specs import RunStatus
from runs.fleet import live_leases
from runs.models import Run, RunQuerySet

NO_WORKER = "no worker is alive; start one: python manage.py worker"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting run stands. `ahead`: how many runs come before it, the running one of its agent included."""

    ahead: int
    reason: str

    @property
    def position(self) -> int:
        """1 for the next one."""
        return self.ahead + 1


def place_of(run: Run) -> Place | None:
    """The place of a run that waits its turn; None of one that has begun or ended. Two small queries."""
    if run.status != RunStatus.CREATED:
        return None
    before = Q(created_at__lt=run.created_at) | Q(created_at=run.created_at, pk__lt=run.pk)
    own = Run.objects.live().filter(agent_id=run.agent_id).filter(before | Q(status=RunStatus.RUNNING))
    ahead = own.exclude(pk=run.pk).count()
    if ahead:
        others = "another run" if ahead == 1 else f"{ahead} runs"
        return Place(ahead, f"an agent has one run at a time; {others} of it before this one")
    if not live_leases().exists():
        return Place(0, NO_WORKER)
    ahead = _heads().filter(before).order_by().values("agent_id").distinct().count()  # one of each agent may begin
    return Place(ahead, "waits for a free worker")


def _heads() -> RunQuerySet:
    """The waiting runs of agents that have none running: those that a worker may take."""
    busy = Run.objects.running().filter(agent=OuterRef("agent"))
    return Run.objects.filter(status=RunStatus.CREATED).filter(~Exists(busy))
