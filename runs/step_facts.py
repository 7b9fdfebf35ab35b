"""What a step took, and what people think of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from runs.models import Step, ToolCall
from runs.summary import summarise

_NANOSECONDS = 1000  # of a microsecond


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Nanoseconds; None for what has not ended, or never began.

    `tools` is the wall time of the step's batch: calls that ran together count once. A step whose calls waited for
    approval has that wait in `whole`, not in `tools`.
    """

    started_at: datetime
    model: int | None
    tools: int | None
    whole: int | None


def times_of(step: Step) -> StepTimes:
    """What the step took, from its row and those of its calls."""
    calls = list(ToolCall.objects.filter(step=step))
    ends = [call.ended_at for call in calls]
    is_over = step.responded_at is not None and None not in ends
    last = max((at for at in (step.responded_at, *ends) if at is not None), default=None)
    has_run = is_over and any(call.started_at for call in calls)
    return StepTimes(
        started_at=step.created_at,
        model=_between(step.created_at, step.responded_at),
        tools=_length(timedelta(seconds=summarise(calls).wall)) if has_run else None,
        whole=_between(step.created_at, last) if is_over else None,
    )


def judge_step(step: Step, *, feedback: str | None, tags: Sequence[str]) -> Step:
    """The step with this feedback, "positive" or "negative" or "" to take it back; None leaves it. The tags are added."""
    with transaction.atomic():
        stored = Step.objects.select_for_update(of=("self",), no_key=True).select_related("run").get(pk=step.pk)
        stored.feedback = stored.feedback if feedback is None else feedback
        stored.tags = list(dict.fromkeys([*stored.tags, *tags]))
        stored.save(update_fields=["feedback", "tags"])
    return stored


def _between(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else _length(end - start)


def _length(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * _NANOSECONDS
