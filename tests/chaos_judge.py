"""Judges runs by their rows, in the environment of the server that has them. Reads [[run id, id of the agent's next run,
{"begun": n, "done": n}], ...] and prints {"wrong": sentences, "pauses": seconds}: what is wrong with them, and for how long
each log stood still before another worker went on with it."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import django

CALLS = 12


def main() -> None:
    """Run from the command line."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ade.settings")
    django.setup()
    rounds = json.load(sys.stdin)
    wrong = [f"{run_id}: {words}" for run_id, *rest in rounds for words in _wrong(run_id, *rest)]
    print(json.dumps({"wrong": wrong, "pauses": [pause for run_id, *_ in rounds for pause in _pauses(run_id)]}))


def _pauses(run_id: str) -> Iterator[float]:
    from runs.follow import read_log

    for before, row in pairwise(read_log(run_id)):
        if row.type == "run.started":
            yield (row.at - before.at).total_seconds()


def _wrong(run_id: str, next_id: str, notes: dict[str, int]) -> Iterator[str]:
    from runs.follow import read_log
    from runs.models import Run, ToolCall
    from runs.reading import verdict_on

    run = Run.objects.get(pk=run_id)
    rows = read_log(run_id)
    if (run.status, run.stop_reason) != ("completed", "end_turn"):
        yield f"ended as {run.status} ({run.stop_reason}: {run.error})"
    if [row.seq for row in rows] != list(range(1, run.last_seq + 1)):
        yield "its log has gaps"
    verdict = verdict_on(run)
    if not verdict.is_ok:
        yield f"the checker says {verdict.findings}"
    ends = Counter(row.data["call_id"] for row in rows if row.type == "call.ended")
    starts = Counter(row.data["call_id"] for row in rows if row.type == "call.started")
    calls = {call.pk: call.state for call in ToolCall.objects.filter(run=run)}
    if len(calls) != CALLS or set(ends) != set(calls) or set(ends.values()) != {1}:
        yield f"{len(calls)} calls with these ends: {dict(ends)}"
    if set(calls.values()) - {"success", "interrupted"}:
        yield f"calls ended as {Counter(calls.values())}"
    if starts and max(starts.values()) > 1:
        yield f"calls were started more than once: {dict(starts)}"
    succeeded = sum(state == "success" for state in calls.values())
    if not succeeded <= notes["done"] <= notes["begun"] <= sum(starts.values()):
        yield f"{succeeded} succeeded, {sum(starts.values())} were started, but outside {notes} were seen"
    after = Run.objects.get(pk=next_id)
    if after.stop_reason != "end_turn":
        yield f"the agent's next message ended with {after.stop_reason}: {after.error}"


if __name__ == "__main__":
    main()
