"""The Variables tab: what is secret goes in and never comes out again."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from access.models import Activity
from agents.models import AgentVariable
from agents.variables import Environment, environment_of, set_variable
from tests.pages import an_agent, forbidden_in, htmx, seed_actor, signed_in, text_of, toast_of

pytestmark = pytest.mark.django_db
SECRET = "s3cret-token"


@pytest.fixture
def browser() -> Client:
    return signed_in()


def test_secrets_are_hidden_and_other_values_shown(browser: Client) -> None:
    agent = an_agent()
    set_variable(seed_actor(), agent, "TOKEN", SECRET)
    set_variable(seed_actor(), agent, "REGION", "north <1>", is_secret=False)
    html = text_of(browser.get(f"/agents/{agent.pk}/?tab=variables"))
    assert "TOKEN" in html
    assert "north &lt;1&gt;" in html
    assert SECRET not in html
    assert forbidden_in(html) == []


def test_a_variable_is_added_changed_and_deleted(browser: Client) -> None:
    agent = an_agent()
    path = f"/agents/{agent.pk}/variables/"
    typed = "-----BEGIN-----\r\nabc\r\n"
    added = browser.post(path, {"key": "TOKEN", "value": typed, "is_secret": "on"}, headers=htmx("agent-left"))
    assert toast_of(added)["text"] == "TOKEN added"
    assert "BEGIN" not in text_of(added)
    assert environment_of(agent.pk).values == {"TOKEN": "-----BEGIN-----\nabc\n"}

    browser.post(f"{path}TOKEN/", {"value": "", "is_secret": "on"}, headers=htmx("agent-left"))
    assert environment_of(agent.pk).values == {"TOKEN": "-----BEGIN-----\nabc\n"}
    browser.post(f"{path}TOKEN/", {"value": "new"}, headers=htmx("agent-left"))
    assert environment_of(agent.pk) == Environment({"TOKEN": "new"}, frozenset())

    assert browser.post(f"{path}TOKEN/delete/")["Location"] == f"/agents/{agent.pk}/?tab=variables"
    assert environment_of(agent.pk).values == {}
    assert "abc" not in str(list(Activity.objects.values()))


def test_a_secret_cannot_be_shown_by_turning_its_switch_off(browser: Client) -> None:
    agent = an_agent()
    set_variable(seed_actor(), agent, "TOKEN", SECRET)
    answer = browser.post(f"/agents/{agent.pk}/variables/TOKEN/", {"value": ""}, headers=htmx("agent-left"))
    assert answer.status_code == 422
    assert "stays secret" in text_of(answer)
    assert SECRET not in text_of(answer)
    assert AgentVariable.objects.get(key="TOKEN").is_secret


@pytest.mark.parametrize(
    ("key", "said"),
    [("1X", "not a digit first"), ("", "This field is required."), ("PATH", "set by the sandbox"), ("A", "already")],
)
def test_a_refused_variable_keeps_what_was_typed_but_echoes_no_secret(browser: Client, key: str, said: str) -> None:
    agent = an_agent()
    set_variable(seed_actor(), agent, "A", "kept")
    posted = {"key": key, "value": SECRET, "is_secret": "on"}
    for headers in (htmx("agent-left"), {}):
        refused = browser.post(f"/agents/{agent.pk}/variables/", posted, headers=headers)
        html = text_of(refused)
        assert refused.status_code == 422
        assert said in html
        assert not key or f'value="{key}"' in html
        assert SECRET not in html
        # The field stays as it stands in the page, with what was typed.
        assert 'id="new_variable_value" hx-preserve="true"' in html
    shown = browser.post(f"/agents/{agent.pk}/variables/", {"key": key, "value": "plain"}, headers=htmx("agent-left"))
    assert "plain</textarea>" in text_of(shown)
    assert environment_of(agent.pk).values == {"A": "kept"}


def test_a_new_variable_needs_a_value(browser: Client) -> None:
    agent = an_agent()
    refused = browser.post(f"/agents/{agent.pk}/variables/", {"key": "A", "value": "", "is_secret": "on"})
    assert refused.status_code == 422
    assert "This field is required." in text_of(refused)
    assert environment_of(agent.pk).values == {}


def test_a_value_of_another_key_says_what_to_do_and_can_be_set_anew(browser: Client, settings: object) -> None:
    agent = an_agent()
    set_variable(seed_actor(), agent, "REGION", "north", is_secret=False)
    settings.ADE_ENCRYPTION_KEY = Fernet.generate_key().decode()  # type: ignore[attr-defined]
    assert "Restore ADE_ENCRYPTION_KEY" in text_of(browser.get(f"/agents/{agent.pk}/?tab=variables"))
    browser.post(f"/agents/{agent.pk}/variables/REGION/", {"value": "south"}, headers=htmx("agent-left"))
    assert environment_of(agent.pk).values == {"REGION": "south"}


def test_the_admin_has_no_values(browser: Client) -> None:
    set_variable(seed_actor(), an_agent(), "TOKEN", SECRET)
    variable = AgentVariable.objects.get()
    page = text_of(browser.get(f"/admin/agents/agentvariable/{variable.pk}/change/"))
    assert "TOKEN" in page
    assert "ncrypted" not in page
