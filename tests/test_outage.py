"""A database that is away is said to whoever asks, and is no crash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test import Client

from access.models import Person
from agents.models import Agent
from engine.specs import RunStatus
from runs.database import in_database
from runs.follow import DATABASE_AWAY, LAYER_AWAY, follow
from runs.models import Run
from runs.nudges import Listener


@contextmanager
def database_away() -> Iterator[None]:
    def refuse(*_: object) -> None:
        raise OperationalError("could not connect to server")

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def browser(client: Client) -> Client:
    client.force_login(Person.objects.create_user("admin", password="a-good-password"))
    client.raise_request_exception = False
    return client


@pytest.mark.django_db
def test_a_page_says_so_and_tries_again_by_itself(browser: Client) -> None:
    with database_away():
        response = browser.get("/agents/")
    assert response.status_code == 503
    assert "The database is out of reach" in response.content.decode()
    assert response["Refresh"] == "3"
    assert browser.get("/agents/").status_code == 200


@pytest.mark.django_db
def test_a_form_gets_a_text_for_its_toast(browser: Client) -> None:
    with database_away():
        response = browser.get("/agents/", headers={"HX-Request": "true"})
    assert response.status_code == 503 and "Nothing was changed" in response.content.decode()
    assert "<html" not in response.content.decode() and "Refresh" not in response


@pytest.mark.django_db
def test_an_api_client_is_asked_to_come_again(browser: Client) -> None:
    with database_away():
        response = browser.get("/v1/agents/", headers={"Authorization": "Bearer anything"})
    assert response.status_code == 503
    assert "out of reach" in response.json()["detail"] and response["Retry-After"] == "3"


@pytest.mark.django_db
def test_any_other_fault_stays_a_500(browser: Client) -> None:
    with patch("ade.views.show", side_effect=ZeroDivisionError):
        assert browser.get("/search/?q=tides").status_code == 500


@pytest.mark.django_db(transaction=True)
async def test_who_follows_a_run_hears_of_both_outages_and_of_their_ends() -> None:
    agent = await in_database(Agent.objects.create, name="Librarian", model="demo/planner")
    run = await in_database(Run.objects.create, agent=agent, status=RunStatus.RUNNING)
    reads = iter([OperationalError("gone"), OperationalError("still gone"), None, None])

    async def join(self: Listener) -> None:
        self.is_deaf = next(deafness)

    deafness = iter([False, True, False])
    from runs import follow as module

    real = module._read

    def read(cursor: module._Cursor) -> module.News:
        fault = next(reads, None)
        if fault is not None:
            raise fault
        return real(cursor)

    heard: list[str] = []
    with patch.object(module, "_read", read), patch.object(Listener, "join", join):
        async for news in follow(run.pk):
            heard.append(news.outage)
            if len(heard) == 4:
                await in_database(Run.objects.filter(pk=run.pk).update, status=RunStatus.COMPLETED)
                break
    assert heard == [DATABASE_AWAY, "", LAYER_AWAY, ""]
