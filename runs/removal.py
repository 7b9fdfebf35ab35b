"""Deletes a run: its log, steps and calls. What was said stays: it is the agent's history."""

from __future__ import annotations

from django.db import transaction

from agents.models import Agent
from runs.dispatch import DispatchProblem
from runs.models import Run


class StillNeeded(DispatchProblem):
    """The run is not over, or another one goes on with it."""


def delete_run(run: Run) -> None:
    """The run is gone. Raises StillNeeded."""
    with transaction.atomic():
        Agent.objects.select_for_update(no_key=True).get(pk=run.agent_id)
        stored = Run.objects.get(pk=run.pk)
        if not stored.is_ended:
            raise StillNeeded("The run waits or is under way. Cancel it before you delete it.", run.pk)
        if Run.objects.awaiting_approval().filter(pk=run.pk).exists():
            raise StillNeeded("The run's calls wait for approval. Decide or cancel them before you delete it.", run.pk)
        if Run.objects.live().filter(resumes_run=run).exists():
            raise StillNeeded(
                "Another run carries out the decisions on this one's calls. Wait until it has ended.", run.pk
            )
        stored.delete()
