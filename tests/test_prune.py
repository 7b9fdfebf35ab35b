"""Pruning: old logs go, what was said stays, and nobody trips over what is not there any more."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from agents.models import Agent
from engine.specs import Mode, RunStatus, StopReason
from llms.testing import ScriptedClient, asks_for, says
from runs.database import in_database
from runs.dispatch import start_run
from runs.follow import follow
from runs.models import Message, Run, RunDelta, RunEvent, ToolCall
from runs.picture import RunPicture
from runs.reading import picture_of
from runs.retention import cutoff, is_pruned, prune_as_configured, prune_some
from tests.pages import an_agent, signed_in, text_of
from tests.workers import ended, make_agent, working

pytestmark = pytest.mark.django_db(transaction=True)


def a_run(agent: Agent, *, ended_days_ago: float | None, events: int = 3, **fields: object) -> Run:
    ended_at = None if ended_days_ago is None else timezone.now() - timedelta(days=ended_days_ago)
    status = RunStatus.RUNNING if ended_at is None else RunStatus.COMPLETED
    run = Run.objects.create(agent=agent, status=status, ended_at=ended_at, last_seq=events, **fields)
    at = ended_at or timezone.now()
    RunEvent.objects.bulk_create(RunEvent(run=run, seq=seq, type="call.output", at=at) for seq in range(1, events + 1))
    RunDelta.objects.create(run=run, delta_seq=1, after_seq=1, step_id="s", kind="text", text="a")
    return run


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("prune", *arguments, stdout=out)
    return out.getvalue()


def test_only_the_logs_of_runs_that_ended_long_ago_go() -> None:
    agent = an_agent()
    old, young = a_run(agent, ended_days_ago=40), a_run(agent, ended_days_ago=20)
    running = a_run(agent, ended_days_ago=None)
    assert said("--days", "30") == "Deleted 3 events and 1 deltas of 1 runs that ended over 30 days ago.\n"
    assert [is_pruned(run) for run in (old, young, running)] == [True, False, False]
    assert RunEvent.objects.count() == 6
    assert not old.deltas.exists()
    assert Run.objects.count() == 3


def test_a_dry_run_says_the_same_and_deletes_nothing() -> None:
    a_run(an_agent(), ended_days_ago=40)
    assert said("--days", "30", "--dry-run").startswith("Would delete 3 events and 1 deltas of 1 runs")
    assert RunEvent.objects.count() == 3


def test_a_run_keeps_its_log_while_a_decision_or_a_younger_run_that_goes_on_with_it_needs_it() -> None:
    agent = an_agent()
    held = a_run(agent, ended_days_ago=40, stop_reason=StopReason.REQUIRES_APPROVAL)
    decided = a_run(agent, ended_days_ago=40, stop_reason=StopReason.REQUIRES_APPROVAL)
    resuming = a_run(agent, ended_days_ago=20, resumes_run=decided)
    said("--days", "30")
    assert [is_pruned(held), is_pruned(decided)] == [False, False]
    said("--days", "10")
    assert [is_pruned(held), is_pruned(decided), is_pruned(resuming)] == [False, True, True]


def test_it_goes_through_all_of_them_in_rounds_oldest_first() -> None:
    agent = an_agent()
    runs = [a_run(agent, ended_days_ago=days) for days in (31, 35, 33)]
    assert prune_some(cutoff(30), at_most=2).runs == 2
    assert [is_pruned(run) for run in runs] == [False, True, True]
    assert prune_some(cutoff(30), at_most=2).runs == 1


def test_without_a_setting_everything_is_kept(settings: Settings) -> None:
    a_run(an_agent(), ended_days_ago=4000)
    settings.ADE_RETENTION_DAYS = 0
    assert prune_as_configured().runs == 0
    with pytest.raises(CommandError, match="kept for ever"):
        said()
    settings.ADE_RETENTION_DAYS = 30
    assert prune_as_configured().runs == 1


def age_all_runs() -> None:
    Run.objects.update(ended_at=timezone.now() - timedelta(days=40))


async def test_the_history_the_follower_and_the_page_of_a_pruned_run_still_work() -> None:
    agent = await in_database(make_agent, ("search", True), "write")
    async with working(ScriptedClient(asks_for("search", "write"), says("Done."), says("Again."))):
        run = await ended((await in_database(start_run, agent, [{"role": "user", "content": "Hi"}], started_by="t")).pk)
        await in_database(age_all_runs)
        assert (await in_database(prune_some, cutoff(30))).runs == 1
        news = [item async for item in follow(run.pk, after_delta=0)]
        assert [(item.events, item.is_over) for item in news] == [((), True)]
        again = await in_database(start_run, agent, [{"role": "user", "content": "More"}], started_by="t")
        assert (await ended(again.pk)).stop_reason == "end_turn"
    kept = await in_database(
        lambda: (Message.objects.filter(run=run).count(), ToolCall.objects.filter(run=run).count())
    )
    assert kept == (4, 2)


def _plans(picture: RunPicture) -> list[tuple[Mode | None, list[str]]]:
    return [(phase.mode, [call.id for call in phase.calls]) for step in picture.ordered_steps for phase in step.phases]


async def test_pages_draw_a_pruned_run_from_what_is_left_and_say_so() -> None:
    agent = await in_database(make_agent, ("search", True), ("look", True), "write")
    client = ScriptedClient(asks_for("search", "write", "look", text="I will look."), says("All done."))
    async with working(client):
        run = await ended((await in_database(start_run, agent, [{"role": "user", "content": "Hi"}], started_by="t")).pk)
    before = await in_database(picture_of, run)
    await in_database(age_all_runs)
    await in_database(prune_some, cutoff(30))
    run = await in_database(Run.objects.get, pk=run.pk)
    after = await in_database(picture_of, run)
    assert (after.status, after.stop_reason) == (before.status, before.stop_reason)
    assert [call.name for call in after.calls.values()] == [call.name for call in before.calls.values()]
    assert [call.state for call in after.calls.values()] == ["success"] * 3
    assert [call.started_at for call in after.calls.values()] == [call.started_at for call in before.calls.values()]
    assert _plans(after) == _plans(before) != []
    page = await in_database(lambda: text_of(signed_in().get(f"/runs/{run.pk}/")))
    assert "event log has been deleted" in page
    simulator = await in_database(lambda: text_of(signed_in().get(f"/runs/agent/{agent.pk}/simulator/")))
    assert "All done." in simulator and "I will look." in simulator


def test_the_page_of_a_run_with_its_log_does_not_say_that_it_is_gone() -> None:
    run = Run.objects.create(agent=an_agent())
    assert "event log has been deleted" not in text_of(signed_in().get(f"/runs/{run.pk}/"))
