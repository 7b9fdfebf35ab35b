"""What agents' runs say about the agents, of many agents at once, in as many queries as of one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import DateTimeField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from agents.models import Agent
from engine.specs import CallState
from runs.models import Message, Run, ToolCall

# Sorts agents that never ran before all others.
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def with_last_run(agents: QuerySet[Agent]) -> QuerySet[Agent]:
    """Each agent with `ran_at`, when its last run ended (1970 where none has), and that run's `last_stop_reason`."""
    last = Run.objects.filter(agent=OuterRef("pk")).exclude(ended_at=None).order_by("-ended_at", "-pk")
    ended = Subquery(last.values("ended_at")[:1])
    return agents.annotate(
        ran_at=Coalesce(ended, Value(_NEVER, output_field=DateTimeField())),
        last_stop_reason=Subquery(last.values("stop_reason")[:1]),
    )


def last_runs(agents: Iterable[Agent]) -> dict[str, Run]:
    """The run of each agent that ended last, by the agent's id; agents that never ran are missing."""
    newest = Run.objects.filter(agent=OuterRef("pk")).exclude(ended_at=None).order_by("-ended_at", "-pk")
    ids = Agent.objects.filter(pk__in=[agent.pk for agent in agents]).annotate(last=Subquery(newest.values("pk")[:1]))
    known = Run.objects.filter(pk__in=ids.values("last")).only("agent_id", "created_at", "ended_at", "stop_reason")
    return {run.agent_id: run for run in known}


def waiting_messages(agents: Iterable[Agent]) -> dict[str, Message]:
    """The message of each agent whose calls wait for a decision, by the agent's id."""
    held = ToolCall.objects.filter(
        run__in=Run.objects.awaiting_approval(),
        run__agent__in=[agent.pk for agent in agents],
        needs_approval=True,
        state=CallState.HELD,
    )
    asked = Message.objects.filter(step_id__in=held.values("step_id"), role="assistant")
    return {message.agent_id: message for message in asked}
