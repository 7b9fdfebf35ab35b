"""Forgetting an agent's own history. Runs and their logs stay; conversations are not touched."""

from __future__ import annotations

from django.db import transaction

from agents.models import Agent
from runs.dispatch import AgentBusy, PendingApproval, pending_calls, pending_run
from runs.models import Message


def reset_history(agent: Agent) -> None:
    """Delete the messages of the agent's own history. Raises AgentBusy, PendingApproval: what goes on needs them."""
    with transaction.atomic():
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        waiting = pending_run(agent)
        if waiting is not None:
            raise PendingApproval(waiting.pk, [call.pk for call in pending_calls(waiting)])
        live = agent.runs.live().filter(conversation=None).first()
        if live is not None:
            raise AgentBusy("The agent is busy with a run. Wait until it has ended, or cancel it.", live.pk)
        Message.objects.filter(agent=agent, conversation=None).delete()
