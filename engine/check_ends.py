"""Rules 3.5 and 3.6, judged from the log alone: each call ends exactly once, and returns join in the model's order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby, pairwise

from engine.story import LoggedBatch, LoggedCall, Mark, Story, ids_in
from engine.verdict import Finding

NEVER_RAN = frozenset({"error", "denied", "cancelled", "skipped"})
"""Outcomes that a call may have without having run."""


def check_rows(story: Story) -> Iterator[Finding]:
    """No row is missing: each run counts from 1 without a gap, and nothing follows its end."""
    runs = [tuple(rows) for _run_id, rows in groupby(story.marks, key=lambda mark: mark.row.run_id)]
    for number, marks in enumerate(runs):
        for expected, mark in enumerate(marks, start=1):
            if mark.row.seq != expected:
                yield _blame(mark, story, f"The log is not whole: seq {mark.row.seq} stands where {expected} belongs.")
                break
        ends = [mark for mark in marks if mark.row.type == "run.ended"]
        if ends and ends[0] is not marks[-1]:
            after = marks[marks.index(ends[0]) + 1]
            yield _blame(after, story, f"{after.row.type} (seq {after.row.seq}) follows the end of its run.")
        if not ends and number < len(runs) - 1:
            yield Finding("3.5", "", "", "A run of the chain has not ended though another one goes on with it.")


def _blame(mark: Mark, story: Story, text: str) -> Finding:
    call = story.calls.get(mark.text("call_id"))
    return Finding("3.5", call.id if call else "", call.name if call else "", text)


def check_calls(story: Story) -> Iterator[Finding]:
    """Rule 3.5: each call that was asked for ends exactly once, after it started, and nothing of it comes later."""
    for call in story.repeated:
        yield Finding("3.5", call.id, call.name, f"Two calls bear the id {call.id}, one of them {call.name}.")
    held = _held_at_end(story)
    void = {call.id for batch in story.batches if batch.is_void for call in batch.calls}
    for call in story.calls.values():
        if call.asked is None:
            yield Finding("3.5", call.id, call.name, f"{call.name} has rows though no model asked for it.")
        elif call.id in held:
            yield from _check_held(call)
        else:
            yield from _check_end(story, call, is_void=call.id in void)
            yield from _check_starts(story, call)


def _held_at_end(story: Story) -> frozenset[str]:
    last = story.last
    if last is None or last.type != "run.ended" or last.data.get("stop_reason") != "requires_approval":
        return frozenset()
    waiting = [batch for batch in story.batches[-1:] if batch.was_held and not batch.is_decided]
    return frozenset(call.id for batch in waiting for call in batch.calls)


def _check_held(call: LoggedCall) -> Iterator[Finding]:
    for mark in call.rows[:1]:
        text = f"{call.name} has {mark.row.type} (seq {mark.row.seq}) though its batch waits for a decision."
        yield Finding("3.5", call.id, call.name, text)


def _check_end(story: Story, call: LoggedCall, *, is_void: bool) -> Iterator[Finding]:
    ends, starts = call.ended, call.started
    if is_void and starts:
        text = f"{call.name} started (seq {starts[0].row.seq}) though its response was cut off."
        yield Finding("3.5", call.id, call.name, text)
    if not ends and not is_void and is_complete(story):
        state = "started and" if starts else "was asked for and"
        yield Finding("3.5", call.id, call.name, f"{call.name} {state} never ended.")
    if len(ends) > 1:
        places = ", ".join(str(end.row.seq) for end in ends)
        yield Finding("3.5", call.id, call.name, f"{call.name} ended {len(ends)} times (seq {places}).")
    if ends:
        yield from _check_first_end(call, ends[0], is_clients=call.id in story.run_by_clients)
    if starts and call.id in story.run_by_clients:
        text = f"{call.name} started (seq {starts[0].row.seq}) though its client had run it."
        yield Finding("3.5", call.id, call.name, text)


def _check_first_end(call: LoggedCall, end: Mark, *, is_clients: bool) -> Iterator[Finding]:
    late = [mark for mark in call.rows if mark.place > end.place and mark.row.type != "call.ended"]
    for mark in late[:1]:
        text = f"{call.name} has {mark.row.type} (seq {mark.row.seq}) after its end (seq {end.row.seq})."
        yield Finding("3.5", call.id, call.name, text)
    if call.asked is not None and end.place < call.asked.place:
        yield Finding("3.5", call.id, call.name, f"{call.name} ended before the model asked for it.")
    starts = [mark for mark in call.started if mark.place < end.place]
    outcome, attempt = end.text("outcome"), end.number("attempt")
    if not starts and not is_clients and (outcome not in NEVER_RAN or attempt > 0):
        yield Finding("3.5", call.id, call.name, f"{call.name} ended as {outcome} and never started.")
    elif starts and attempt > 0 and starts[-1].number("attempt") != attempt:
        text = f"{call.name} ended in attempt {attempt}, its last start is attempt {starts[-1].number('attempt')}."
        yield Finding("3.5", call.id, call.name, text)
    if any(start.at > end.at for start in starts):
        yield Finding("3.5", call.id, call.name, f"{call.name} ended at an earlier time than it started.")


def _check_starts(story: Story, call: LoggedCall) -> Iterator[Finding]:
    """A call is started again only by a worker that took the run over."""
    for before, after in pairwise(call.started):
        if not story.is_taken_over_between(before, after):
            text = f"{call.name} started again (seq {after.row.seq}) though no worker had died."
            yield Finding("3.5", call.id, call.name, text)
        elif after.number("attempt") <= before.number("attempt"):
            text = f"{call.name} started again (seq {after.row.seq}) without counting up its attempt."
            yield Finding("3.5", call.id, call.name, text)


def is_complete(story: Story) -> bool:
    """Whether the last run of the chain has ended."""
    return story.last is not None and story.last.type == "run.ended"


def check_returns(story: Story) -> Iterator[Finding]:
    """Rule 3.6: the returns of a batch join the history once, all of them, in the model's order."""
    batches = {batch.asked.place: batch for batch in story.batches if not batch.is_void}
    open_batch: LoggedBatch | None = None
    joined: tuple[str, ...] = ()
    has_died = False
    for mark in story.marks:
        match mark.row.type:
            case "run.started":
                has_died = True
            case "model.responded":
                open_batch, joined, has_died = batches.get(mark.place), (), False
            case "model.requested" | "run.ended":
                returns = ids_in(mark, "returns")
                if open_batch is not None:
                    yield from _check_joining(open_batch, returns, mark)
                elif returns and not (has_died and returns == joined):
                    text = f"Returns join the history (seq {mark.row.seq}) though no batch is open."
                    yield Finding("3.6", returns[0], _name(story, returns[0]), text)
                if returns:
                    open_batch, joined, has_died = None, returns, False
            case "context.compacted" if open_batch is not None:
                yield from _check_whole(open_batch, mark)
            case _:
                pass


def _check_whole(batch: LoggedBatch, mark: Mark) -> Iterator[Finding]:
    """The context window may not be cut through a batch: each of its calls has its return by then."""
    for call in batch.calls:
        if not any(end.place < mark.place for end in call.ended):
            text = f"The context was compacted (seq {mark.row.seq}) before {call.name} had ended."
            yield Finding("3.6", call.id, call.name, text)


def _name(story: Story, call_id: str) -> str:
    return story.calls[call_id].name if call_id in story.calls else call_id


def _check_joining(batch: LoggedBatch, returns: tuple[str, ...], mark: Mark) -> Iterator[Finding]:
    if not returns and _may_stay_open(batch, mark):
        return
    names = {call.id: call.name for call in batch.calls}
    wanted = tuple(call.id for call in batch.calls)
    for call in batch.calls:
        if not any(end.place < mark.place for end in call.ended):
            text = f"The run went on (seq {mark.row.seq}) before {call.name} had ended."
            yield Finding("3.6", call.id, call.name, text)
    if returns == wanted:
        return
    place = next((i for i, pair in enumerate(zip(returns, wanted, strict=False)) if pair[0] != pair[1]), None)
    if place is None:
        place = min(len(returns), len(wanted))
    found = names.get(returns[place], returns[place]) if place < len(returns) else "nothing"
    call_id = wanted[place] if place < len(wanted) else returns[place]
    due = names[call_id] if place < len(wanted) else "nothing"
    text = f"Return {place + 1} in the history (seq {mark.row.seq}) is of {found}; in the model's order it is of {due}."
    yield Finding("3.6", call_id, names.get(call_id, call_id), text)


def _may_stay_open(batch: LoggedBatch, mark: Mark) -> bool:
    """A run may end with its batch open where it waits for a decision or was broken off."""
    if mark.row.type != "run.ended":
        return False
    is_held = batch.was_held and mark.text("stop_reason") == "requires_approval"
    return is_held or mark.text("status") in {"cancelled", "failed"}
