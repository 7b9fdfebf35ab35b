"""The rows of the history that belong to events of a run's log: written in the same transaction, so always there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.stream import Heard
from engine.events import ContextCompacted
from runs.models import Message, RunEvent, ToolCall


@dataclass(frozen=True, slots=True)
class Rows:
    """The answers and the returns by step, the step of the first call of each list of returns, and summaries by id."""

    answers: Mapping[str, Message]
    returns: Mapping[str, Message]
    steps: Mapping[str, str]
    summaries: Mapping[str, Message]


def rows_of(events: Iterable[RunEvent]) -> Rows:
    """All rows that these events tell of."""
    events = list(events)
    facts = [event.data for event in events]
    first_calls = [data["returns"][0] for data in facts if data.get("returns")]
    steps = dict(ToolCall.objects.filter(pk__in=first_calls).values_list("pk", "step_id"))
    wanted = {data["step_id"] for data in facts if data.get("step_id")} | set(steps.values())
    answers: dict[str, Message] = {}
    returns: dict[str, Message] = {}
    for row in Message.objects.filter(step_id__in=wanted, role__in=["assistant", "tool"]):
        (answers if row.role == "assistant" else returns)[row.step_id or ""] = row
    made = [
        data["message_id"] for event, data in zip(events, facts, strict=True) if event.type == ContextCompacted.type
    ]
    return Rows(answers, returns, steps, Message.objects.in_bulk(made) if made else {})


def heard(event: RunEvent, rows: Rows) -> Heard:
    """The event with its rows: those of the step whose returns it brings, else of its own."""
    if event.type == ContextCompacted.type:
        return Heard(event, summary=rows.summaries.get(event.data["message_id"]))
    if not event.data.get("returns"):
        return Heard(event, rows.answers.get(event.data.get("step_id", "")))
    step_id = rows.steps[event.data["returns"][0]]
    return Heard(event, rows.answers.get(step_id), rows.returns[step_id])
