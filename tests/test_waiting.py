"""A run that has not begun says which it is in the line and what it waits for."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from access.models import Person
from agents.models import Agent
from engine.specs import RunStatus
from runs.models import Run, WorkerLease
from runs.waiting import NO_WORKER, place_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    return Agent.objects.create(name="Librarian", model="demo/planner")


def waiting(agent: Agent) -> Run:
    return Run.objects.create(agent=agent, input=[{"role": "user", "content": "Hello"}])


def other_agent(name: str) -> Agent:
    return Agent.objects.create(name=name, model="demo/planner")


@pytest.fixture
def worker() -> None:
    WorkerLease.objects.create(name="here:1:x", beat_at=timezone.now())


@pytest.mark.usefixtures("worker")
def test_runs_of_one_agent_wait_for_each_other(agent: Agent) -> None:
    running = Run.objects.create(agent=agent, status=RunStatus.RUNNING)
    second, third = waiting(agent), waiting(agent)
    places = [place_of(run) for run in (running, second, third)]
    assert places[0] is None
    assert [place.position for place in places if place] == [2, 3]
    assert places[1] is not None and "another run of it" in places[1].reason
    assert places[2] is not None and "2 runs of it" in places[2].reason


@pytest.mark.usefixtures("worker")
def test_agents_that_could_begin_wait_for_a_free_worker_one_run_of_each(agent: Agent) -> None:
    first = waiting(agent)
    waiting(agent)
    last = waiting(other_agent("Clerk"))
    for run, position in ((first, 1), (last, 2)):
        place = place_of(run)
        assert place is not None
        assert (place.position, place.reason) == (position, "waits for a free worker")


def test_without_a_worker_the_reason_says_how_to_start_one(agent: Agent) -> None:
    place = place_of(waiting(agent))
    assert place is not None and place.reason == NO_WORKER


@pytest.mark.usefixtures("worker")
def test_the_page_asks_again_until_the_run_has_begun(client: Client, agent: Agent) -> None:
    client.force_login(Person.objects.create_user("admin", password="a-good-password"))
    Run.objects.create(agent=agent, status=RunStatus.RUNNING)
    run = waiting(agent)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    part = client.get(f"/runs/{run.pk}/waiting/").content.decode()
    assert part.strip() in page
    assert "2nd in line" in part and "every 2s" in part
    Run.objects.filter(pk=run.pk).update(status=RunStatus.RUNNING, started_at=timezone.now(), agent=other_agent("B"))
    begun = client.get(f"/runs/{run.pk}/waiting/").content.decode()
    assert "started" in begun and "hx-get" not in begun
