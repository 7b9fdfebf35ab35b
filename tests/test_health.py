"""Health and readiness: who asks gets the truth, and the reasons."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.test import AsyncClient, Client
from pytest_django import Settings

from llms.testing import ScriptedClient
from runs import readiness
from runs.database import in_database
from runs.leases import process_name, register
from tests.workers import working
from tools.toolbox import sandbox

pytestmark = pytest.mark.django_db(transaction=True)

READY = "/v1/health/ready"


@pytest.fixture
def migrated() -> Iterator[None]:
    """All migrations applied at the end, whatever the test has undone."""
    yield
    call_command("migrate", "access", verbosity=0)


async def test_health_needs_no_key_and_readiness_no_key_either() -> None:
    browser = AsyncClient()
    assert (await browser.get("/v1/health/")).json()["status"] == "ok"
    assert (await browser.get(READY)).status_code in (200, 503)


async def test_a_process_without_a_worker_is_ready_once_database_and_channel_layer_answer(settings: Settings) -> None:
    settings.ADE_WORKER = False
    answer = await AsyncClient().get(READY + "/")
    assert answer.status_code == 200
    assert answer.json()["checks"] == {"database": "ok", "channel_layer": "ok"}


async def test_without_its_worker_and_sandbox_it_is_not_ready_and_says_why(settings: Settings) -> None:
    settings.ADE_WORKER = True
    answer = await AsyncClient().get(READY)
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert "no live lease" in checks["worker"]
    assert "not been started" in checks["sandbox"]
    assert checks["database"] == "ok"


async def test_with_worker_and_sandbox_it_is_ready(settings: Settings) -> None:
    settings.ADE_WORKER = True
    await in_database(register, process_name() + "here")
    await sandbox().start()
    try:
        answer = await AsyncClient().get(READY)
    finally:
        await sandbox().close()
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


async def test_a_worker_elsewhere_does_not_make_this_process_ready(settings: Settings) -> None:
    settings.ADE_WORKER = True
    await in_database(register, "another-machine:1:abc")
    async with working(ScriptedClient()):
        checks = {check.name: check.problem for check in await readiness.readiness()}
    assert "no live lease" in checks["worker"]


async def test_a_database_that_does_not_answer_is_named_without_its_secrets(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise OperationalError("could not connect to postgres://tandem:hunter2@db/tandem")

    settings.ADE_WORKER = False
    monkeypatch.setattr(readiness, "_unapplied_migrations", broken)
    answer = await AsyncClient().get(READY)
    assert answer.status_code == 503
    assert "OperationalError" in answer.json()["checks"]["database"]
    assert "hunter2" not in answer.content.decode()


def test_a_missing_migration_makes_it_not_ready(settings: Settings, migrated: None) -> None:
    settings.ADE_WORKER = False
    call_command("migrate", "access", "zero", fake=True, verbosity=0)
    try:
        answer = Client().get(READY)
    finally:
        call_command("migrate", "access", fake=True, verbosity=0)
    assert answer.status_code == 503
    assert "migrations are not applied" in answer.json()["checks"]["database"]
