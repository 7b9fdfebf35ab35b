"""An agent's variables: encrypted in the database, never in the activity log, decrypted for its tools alone."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from access.activity import Actor
from access.models import Activity
from agents.models import AgentVariable
from agents.variables import (
    VariableProblem,
    delete_variable,
    environment_of,
    replace_variables,
    set_variable,
)
from tests.workers import make_agent

pytestmark = pytest.mark.django_db
ME = Actor(None, "test")


def test_a_value_is_encrypted_at_rest_and_read_back_for_tools() -> None:
    agent = make_agent()
    set_variable(ME, agent, "API_TOKEN", "s3cret-value")
    set_variable(ME, agent, "REGION", "north", is_secret=False)
    stored = b"".join(bytes(row.encrypted_value) for row in AgentVariable.objects.all())
    assert b"s3cret-value" not in stored
    environment = environment_of(agent.pk)
    assert environment.values == {"API_TOKEN": "s3cret-value", "REGION": "north"}
    assert environment.secrets == {"s3cret-value"}
    assert "s3cret-value" not in str(list(Activity.objects.values()))


def test_replacing_removes_what_is_not_named() -> None:
    agent = make_agent()
    replace_variables(ME, agent, {"A": "1", "B": "2"})
    replace_variables(ME, agent, {"B": "3"})
    assert environment_of(agent.pk).values == {"B": "3"}
    delete_variable(ME, agent, "B")
    assert environment_of(agent.pk).values == {}


@pytest.mark.parametrize(("key", "value"), [("1X", "v"), ("A-B", "v"), ("", "v"), ("PATH", "v"), ("A", "\0")])
def test_what_cannot_be_a_variable_is_refused_and_nothing_changes(key: str, value: str) -> None:
    agent = make_agent()
    set_variable(ME, agent, "KEPT", "here")
    with pytest.raises(VariableProblem):
        replace_variables(ME, agent, {"NEW": "x", key: value})
    assert environment_of(agent.pk).values == {"KEPT": "here"}


def test_another_encryption_key_is_named(settings: pytest.FixtureRequest) -> None:
    agent = make_agent()
    set_variable(ME, agent, "A", "value")
    settings.ADE_ENCRYPTION_KEY = Fernet.generate_key().decode()  # type: ignore[attr-defined]
    with pytest.raises(VariableProblem, match="ADE_ENCRYPTION_KEY"):
        environment_of(agent.pk)
