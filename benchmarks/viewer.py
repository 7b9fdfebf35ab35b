"""How long the page of a run with ten thousand events takes: the server's part, from request to the last byte."""

from __future__ import annotations

import sys

from benchmarks.overhead import own_database
from benchmarks.rig.report import Figure, median_seconds, show

EVENTS = 10_000
GOAL_SECONDS = 1.0


def page_seconds() -> tuple[float, int]:
    """The median of a few loads of the run page, and its size in bytes."""
    from django.core.management import call_command
    from django.test import Client

    from access.models import Person
    from agents.models import Agent
    from engine.events import CallOutput, dump
    from runs.models import RunEvent
    from tests.run_logs import wide_log
    from tests.stored_runs import store

    call_command("collectstatic", interactive=False, verbosity=0)
    agent = Agent.objects.create(name="Bench", model="demo/planner")
    log = wide_log(100, is_ended=False)
    run = store(log, agent)
    last = log.rows[-1]
    call_id = next(row.data["call_id"] for row in log.rows if "call_id" in row.data)
    RunEvent.objects.bulk_create(
        RunEvent(
            run=run,
            seq=seq,
            type=CallOutput.type,
            at=last.at,
            data=dump(CallOutput(call_id, "stdout", f"line {seq}\n")),
        )
        for seq in range(last.seq + 1, EVENTS + 1)
    )
    run.last_seq = EVENTS
    run.save()
    client = Client()
    client.force_login(Person.objects.create_user("bench", password="a-good-password"))
    sizes: list[int] = []

    def load() -> None:
        response = client.get(f"/runs/{run.pk}/")
        if response.status_code != 200:
            raise RuntimeError(f"the page answered {response.status_code}")
        sizes.append(len(response.content))

    load()
    return median_seconds(load, times=5), sizes[-1]


def main() -> int:
    with own_database():
        seconds, size = page_seconds()
    figures = [Figure("the run page", seconds, "s", GOAL_SECONDS), Figure("its size", size / 1_000, "kB")]
    return 0 if show(f"A run of {EVENTS:,} events, opened", figures) else 1


if __name__ == "__main__":
    sys.exit(main())
