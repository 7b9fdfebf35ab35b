"""Making room in a context window because somebody asks for it: a run of its own, so that it waits its turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agents.models import Agent
from runs.dispatch import DispatchProblem, start_run
from runs.history import in_context
from runs.models import Conversation, Message, Run


class NothingToCompact(DispatchProblem):
    """There is no message that a summary could stand for."""

    def __init__(self, run_id: str = "") -> None:
        super().__init__("There are no messages to summarise.", run_id)


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction has made; counts are of messages in the context window, with the system prompt."""

    summary: str
    messages_before: int
    messages_after: int


def start_compaction(
    agent: Agent, conversation: Conversation | None, settings: Mapping[str, Any], *, started_by: str
) -> Run:
    """The run that summarises the older messages of this history, with these settings (in Letta's JSON) or, without any,
    the agent's. Raises NothingToCompact, PendingApproval."""
    if all(row.role == "summary" for row in in_context(agent, conversation)):
        raise NothingToCompact
    request = {"compacts": dict(settings)}
    return start_run(agent, [], conversation=conversation, started_by=started_by, request=request)


def compacted_by(run: Run) -> Compacted:
    """What this run, which has ended, has made. Raises NothingToCompact where that is nothing."""
    row = Message.objects.filter(run=run, role="summary").first()
    if row is None:
        raise NothingToCompact(run.pk)
    facts = row.compaction
    return Compacted(str(row.content), facts["messages_count_before"], facts["messages_count_after"])
