"""The pages Settings, Activity and Models."""

from __future__ import annotations

import pytest
from django.test import AsyncClient, Client
from pytest_django import Settings

from access.activity import note
from access.keys import find_key_owner, make_api_key
from access.models import Activity, ApiKey, Person
from ade.pages.guards import guard_facts
from agents.models import ParallelRefusal
from runs.database import in_database
from runs.leases import process_name, register
from runs.models import Run, WorkerLease
from sandbox.levels import Guard, Level
from tests.pages import a_tool, an_agent, forbidden_in, htmx, seed_actor, signed_in, text_of, toast_of
from tests.provider_fixtures import ProviderStub
from tools.toolbox import sandbox

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = ("/settings/", "/activity/", "/models/")


@pytest.fixture
def browser() -> Client:
    return signed_in()


async def async_browser() -> AsyncClient:
    browser = AsyncClient()
    person = await Person.objects.acreate(username="nadia")
    await browser.aforce_login(person)
    return browser


@pytest.mark.parametrize("path", PAGES)
def test_the_pages_are_in_the_rail_for_who_has_signed_in_and_obey_the_policy(path: str, browser: Client) -> None:
    assert Client().get(path).status_code == 302
    html = text_of(browser.get(path))
    assert f'class="rail-item" href="{path}" aria-current="page"' in html
    assert "autofocus" not in html
    assert forbidden_in(html) == []


def test_a_new_key_is_shown_once_and_opens_the_api(browser: Client) -> None:
    answer = browser.post("/settings/keys/", {"name": "deploy script"}, headers=htmx("keys"))
    html = text_of(answer)
    secret = html.partition('id="new-key">')[2].partition("<")[0]
    owner = find_key_owner(secret)
    assert owner is not None and (owner[0].username, owner[1]) == ("nadia", "deploy script")
    assert answer["Cache-Control"] == "no-store"
    again = text_of(browser.get("/settings/"))
    assert secret not in again and secret[:10] in again
    line = Activity.objects.get(verb="created", target_name="API key deploy script")
    assert secret not in f"{line.target_id} {line.changes}"


def test_a_key_needs_a_name(browser: Client) -> None:
    answer = browser.post("/settings/keys/", {"name": " "}, headers=htmx("keys"))
    assert answer.status_code == 422
    assert "This field is required" in text_of(answer)
    assert not ApiKey.objects.exists()


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(browser: Client) -> None:
    secret = make_api_key(Person.objects.get(username="nadia"), "old laptop")
    key = ApiKey.objects.get()
    answer = browser.post(f"/settings/keys/{key.pk}/revoke/", headers=htmx("keys"))
    assert find_key_owner(secret) is None
    assert "old laptop" in text_of(answer) and ">revoked<" in text_of(answer)
    assert toast_of(answer)["text"] == "old laptop is revoked"
    browser.post(f"/settings/keys/{key.pk}/revoke/", headers=htmx("keys"))
    assert Activity.objects.filter(verb="revoked").count() == 1


def test_who_came_by_link_sets_a_password_and_who_has_one_must_know_it(browser: Client) -> None:
    person = Person.objects.get(username="nadia")
    person.set_unusable_password()
    person.save()
    browser.force_login(person)
    new = {"new_password1": "harbour-guide-7", "new_password2": "harbour-guide-7"}
    assert toast_of(browser.post("/settings/password/", new, headers=htmx("password")))["text"] == "Password changed"
    assert browser.get("/settings/").status_code == 200
    assert Client().login(username="nadia", password="harbour-guide-7")
    newer = {"new_password1": "lighthouse-keeper-9", "new_password2": "lighthouse-keeper-9"}
    refused = browser.post("/settings/password/", {**newer, "old_password": "wrong"}, headers=htmx("password"))
    assert refused.status_code == 422 and "entered incorrectly" in text_of(refused)
    browser.post("/settings/password/", {**newer, "old_password": "harbour-guide-7"}, headers=htmx("password"))
    assert Client().login(username="nadia", password="lighthouse-keeper-9")


def test_a_weak_password_is_refused(browser: Client) -> None:
    answer = browser.post("/settings/password/", {"new_password1": "short", "new_password2": "short"})
    assert answer.status_code == 422
    assert "too short" in text_of(answer)


def test_it_says_which_keys_are_set_and_never_what_they_are(browser: Client, settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.ADE_API_KEY = "sk-very-secret", "tdm-also-secret"
    settings.OPENAI_BASE_URL = "https://user:hunter2@proxy.example/v1"
    html = text_of(browser.get("/settings/"))
    assert "OPENAI_API_KEY</span> set" in html and "ANTHROPIC_API_KEY</span> not set" in html
    assert "ADE_API_KEY" in html
    assert not any(secret in html for secret in ("very-secret", "also-secret", "hunter2"))


async def test_a_provider_is_tried_by_asking_for_its_models(
    running_provider_stub: ProviderStub, settings: Settings
) -> None:
    for name, value in running_provider_stub.settings.items():
        setattr(settings, name, value)
    browser = await async_browser()
    assert "It answers and lists" in text_of(await browser.post("/settings/providers/openai/"))
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    html = text_of(await browser.post("/settings/providers/openai/"))
    assert 'data-tone="bad"' in html
    assert settings.OPENAI_API_KEY not in html
    assert (await browser.post("/settings/providers/acme/")).status_code == 404


async def test_the_sandbox_panel_says_what_is_on_here() -> None:
    browser = await async_browser()
    try:
        html = text_of(await browser.get("/settings/sandbox/"))
        level = sandbox().level
    finally:
        await sandbox().close()
    assert html.count('data-on="yes"') == len(level.on)
    assert html.count('data-on="no"') == len(level.off)
    assert "clean environment" in html


def test_a_guard_that_is_off_says_why_and_what_is_done_instead() -> None:
    off: dict[Guard, str] = {guard: "the kernel says no" for guard in Guard if guard is not Guard.FILES}
    facts = guard_facts(Level(frozenset({Guard.FILES}), off, 1))
    assert (facts[0].title, facts[0].is_on) == ("Files", True)
    counted = next(fact for fact in facts if fact.title == "Process count")
    assert (counted.is_on, counted.why_off) == (False, "the kernel says no")
    assert counted.instead == "the supervisor counts processes and ends a call that has too many"


def test_workers_are_shown_with_what_they_run(browser: Client, settings: Settings) -> None:
    settings.ADE_WORKER = False
    assert "No worker is alive" in text_of(browser.get("/settings/"))
    register(process_name() + "abc")
    register("silent-machine:7:def")
    WorkerLease.objects.filter(name__startswith="silent").update(beat_at="2026-01-01T00:00:00Z")
    Run.objects.create(agent=an_agent(), status="running", worker=process_name() + "abc")
    html = text_of(browser.get("/settings/workers/", headers=htmx("workers")))
    assert "<html" not in html
    here, silent = html.split("silent-machine")
    assert "this one" in here and "alive" in here and '<td class="num" data-label="Runs now">1</td>' in here
    assert "silent</span>" in silent and '<td class="num" data-label="Runs now">0</td>' in silent


def test_activity_shows_who_changed_what_from_what_to_what(browser: Client) -> None:
    tool = a_tool("count_words")
    changes = {"enable_parallel_execution": [False, True], "description": ["", "x" * 500]}
    note(seed_actor(), "changed", target_id=tool.pk, target_name="count_words", changes=changes)
    html = text_of(browser.get("/activity/"))
    assert f'<a href="/tools/{tool.pk}/">count_words</a>' in html
    assert "<del>off</del>" in html and "<ins>on</ins>" in html and "<del>nothing</del>" in html
    assert "x" * 121 not in html
    assert "Tandem <span" in html and "via test" in html


def test_activity_is_filtered_and_comes_in_pages(browser: Client) -> None:
    for number in range(60):
        note(seed_actor(), "created", target_id=f"t-{number}", target_name=f"thing {number}")
    note(seed_actor(), "deleted", target_id="gone", target_name="<b>gone</b>")
    first, second = (text_of(browser.get(f"/activity/?page={page}")) for page in (1, 2))
    assert "thing 59<" in first and "thing 5<" not in first
    assert "thing 5<" in second and "Page 2 of 2" in second
    part = text_of(browser.get("/activity/?verb=deleted", headers=htmx("activity-table")))
    assert "&lt;b&gt;gone" in part and "thing" not in part and "<html" not in part
    assert "thing 7<" in text_of(browser.get("/activity/?q=thing 7"))
    assert "Nothing fits" in text_of(browser.get("/activity/?q=zzz"))
    assert "Nothing fits" in text_of(browser.get("/activity/?person=nadia&verb=created"))


def test_models_say_what_they_can_do_and_who_uses_them(browser: Client) -> None:
    an_agent("One", model="openai/o3")
    an_agent("Two", model="openai/my-own-model")
    html = text_of(browser.get("/models/"))
    rows = {row.partition('mono">')[2].partition("<")[0]: row for row in html.split("<tr")}
    assert 'data-mode="sequential"' in rows["openai/o3"] and "does not take the parameter" in rows["openai/o3"]
    assert "?q=openai/o3" in rows["openai/o3"]
    assert "no key" in rows["openai/my-own-model"]
    assert 'data-mode="parallel"' in rows["demo/planner"] and "live</span>" in rows["demo/planner"]
    order = [key for key in rows if key]
    assert set(order[:2]) == {"openai/o3", "openai/my-own-model"} and order[2] == "demo/planner"


def test_a_model_whose_endpoint_refused_the_parameter_is_shown_as_one_at_a_time(browser: Client) -> None:
    ParallelRefusal.objects.create(handle="openai/gpt-4.1", base_url="")
    html = text_of(browser.get("/models/?q=gpt-4.1"))
    assert "the endpoint of gpt-4.1 refused the parameter" in html


def test_models_are_found_by_name_and_provider(browser: Client) -> None:
    html = text_of(browser.get("/models/?provider=anthropic", headers=htmx("model-table")))
    assert "anthropic/claude" in html and "openai/" not in html and "<html" not in html
    assert "No model fits" in text_of(browser.get("/models/?q=zzz"))


async def test_a_provider_that_does_not_answer_is_named_and_the_catalogue_is_still_shown(settings: Settings) -> None:
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "k", "http://127.0.0.1:9/v1"
    browser = await async_browser()
    html = text_of(await browser.get("/models/"))
    assert "OpenAI could not be asked for its models" in html
    assert "openai/gpt-4.1" in html


async def test_the_models_page_asks_the_database_only_a_few_times() -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def count() -> int:
        browser = signed_in()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            browser.get("/models/")
        return len(queries)

    assert await in_database(count) < 20
