"""Rules 2.1 and 3.1, judged from the log alone: is each plan right, and was it kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from engine.story import LoggedBatch, LoggedCall, LoggedPlan, Mark, PlannedPhase, Story
from engine.verdict import Finding

_NEED_NO_PLAN = frozenset({"cancelled", "denied"})


def check_plans(story: Story) -> Iterator[Finding]:
    """Rule 2.1: each call in exactly one phase; sequential ones first and one by one, then the parallel ones."""
    for batch in story.batches:
        names = {call.id: call.name for call in batch.calls}
        for plan in batch.plans:
            yield from _check_membership(batch, plan)
            yield from _check_shape(batch, plan, names)
        for before, after in pairwise(batch.plans):
            if not story.is_taken_over_between(before.mark, after.mark):
                yield Finding("2.1", "", "", f"The batch was planned again (seq {after.mark.row.seq}) without a crash.")
        yield from _check_unplanned(batch)


def _check_membership(batch: LoggedBatch, plan: LoggedPlan) -> Iterator[Finding]:
    places = Counter(plan.call_ids())
    for call in batch.calls:
        count = places.pop(call.id, 0)
        if count == 0 and not any(end.place < plan.mark.place for end in call.ended):
            yield Finding("2.1", call.id, call.name, f"{call.name} was asked for and is missing in the plan.")
        if count > 1:
            yield Finding("2.1", call.id, call.name, f"{call.name} is in the plan {count} times.")
    for call_id in places:
        yield Finding("2.1", call_id, call_id, f"The plan has a call {call_id} that the model did not ask for.")


def _check_shape(batch: LoggedBatch, plan: LoggedPlan, names: dict[str, str]) -> Iterator[Finding]:
    for index, phase in enumerate(plan.phases):
        call_id, name = _first_of(phase, names)
        if not phase.calls:
            yield Finding("2.1", "", "", f"Phase {index} of the plan is empty.")
        elif not _is_parallel(plan, phase) and len(phase.calls) > 1:
            text = f"{name} must have a phase of its own and shares one with {len(phase.calls) - 1} more."
            yield Finding("2.1", call_id, name, text)
        elif _is_parallel(plan, phase) and index != len(plan.phases) - 1:
            text = f"{name} is parallel and must run in the one last phase; it is in phase {index}."
            yield Finding("2.1", call_id, name, text)
        yield from _check_modes(plan, phase, names)
    yield from _check_model_order(batch, plan)


def _is_parallel(plan: LoggedPlan, phase: PlannedPhase) -> bool:
    return plan.is_parallel and phase.mode == "parallel"


def _first_of(phase: PlannedPhase, names: dict[str, str]) -> tuple[str, str]:
    call_id = phase.calls[0][0] if phase.calls else ""
    return call_id, names.get(call_id, call_id)


def _check_modes(plan: LoggedPlan, phase: PlannedPhase, names: dict[str, str]) -> Iterator[Finding]:
    if not plan.is_parallel:
        return
    for call_id, mode in phase.calls:
        if mode != phase.mode:
            name = names.get(call_id, call_id)
            yield Finding("2.1", call_id, name, f"{name} is {mode} and was put into a {phase.mode} phase.")


def _check_model_order(batch: LoggedBatch, plan: LoggedPlan) -> Iterator[Finding]:
    order = {call.id: index for index, call in enumerate(batch.calls)}
    names = {call.id: call.name for call in batch.calls}
    one_by_one = [
        call_id
        for phase in plan.phases
        if not _is_parallel(plan, phase)
        for call_id, _mode in phase.calls
        if call_id in order
    ]
    for before, after in pairwise(one_by_one):
        if order[before] > order[after]:
            text = f"{names[after]} comes after {names[before]} in the plan, the model asked for it before."
            yield Finding("2.1", after, names[after], text)


def _check_unplanned(batch: LoggedBatch) -> Iterator[Finding]:
    """A call may run, or end other than by a person's cancel or denial, only once there is a plan."""
    planned_at = batch.plans[0].mark.place if batch.plans else None
    for call in batch.calls:
        ran = [mark for mark in call.rows if mark.row.type != "call.ended" or mark.text("outcome") not in _NEED_NO_PLAN]
        if ran and (planned_at is None or ran[0].place < planned_at):
            text = f"{call.name} has {ran[0].row.type} (seq {ran[0].row.seq}) before its batch was planned."
            yield Finding("2.1", call.id, call.name, text)


def check_phases(story: Story) -> Iterator[Finding]:
    """Rule 3.1: a phase starts when all before it has ended, and only calls of one parallel phase overlap."""
    for batch in story.batches:
        for plan, until in _spans(story, batch):
            yield from _check_phase_starts(batch, plan, until)
    yield from _check_overlaps(story)


def _spans(story: Story, batch: LoggedBatch) -> Iterator[tuple[LoggedPlan, int]]:
    ends = [plan.mark.place for plan in batch.plans[1:]] + [len(story.marks)]
    yield from zip(batch.plans, ends, strict=False)  # one end too many where there is no plan


def _check_phase_starts(batch: LoggedBatch, plan: LoggedPlan, until: int) -> Iterator[Finding]:
    phase_of = plan.phase_of()
    for call in batch.calls:
        starts = [mark for mark in call.started if plan.mark.place < mark.place < until]
        earlier = [other for other in batch.calls if phase_of.get(other.id, 0) < phase_of.get(call.id, -1)]
        for start in starts:
            for other in earlier:
                if not _has_ended_by(other, start):
                    text = (
                        f"{call.name} started (seq {start.row.seq}) before {other.name} of an earlier phase had ended."
                    )
                    yield Finding("3.1", call.id, call.name, text)


def _has_ended_by(call: LoggedCall, start: Mark) -> bool:
    return any(end.place < start.place and end.at <= start.at for end in call.ended)


def _check_overlaps(story: Story) -> Iterator[Finding]:
    """Two calls that run at once must be of the same parallel phase of the same plan."""
    running: dict[str, tuple[Mark, LoggedCall]] = {}
    partners: dict[str, frozenset[str]] = {}
    plans = {plan.mark.place: plan for batch in story.batches for plan in batch.plans}
    for mark in story.marks:
        if mark.row.type == "run.started":
            running.clear()
        if mark.place in plans:
            partners.update(_partners(plans[mark.place]))
        if mark.row.type not in {"call.started", "call.ended"}:
            continue
        call = story.calls[mark.text("call_id")]
        if mark.row.type == "call.ended":
            running.pop(call.id, None)
            continue
        for other_start, other in running.values():
            if other.id != call.id and other.id not in partners.get(call.id, frozenset()):
                text = f"{call.name} (seq {mark.row.seq}) started while {other.name} (seq {other_start.row.seq}) ran."
                yield Finding("3.1", call.id, call.name, text)
        running[call.id] = (mark, call)


def _partners(plan: LoggedPlan) -> Iterator[tuple[str, frozenset[str]]]:
    """Each call with the calls that it may run together with: those of its parallel phase."""
    for phase in plan.phases:
        together = frozenset(call_id for call_id, _mode in phase.calls)
        for call_id in together:
            yield call_id, together if _is_parallel(plan, phase) else frozenset()
