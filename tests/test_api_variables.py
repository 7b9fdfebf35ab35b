"""Agents' secrets and environment variables over the API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.test import Client

from access.activity import Actor
from access.keys import first_person, make_api_key
from access.models import Person
from agents.models import Agent, AgentVariable
from agents.variables import environment_of, set_variable

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
ME = Actor(None, "test")


def client_of(person: Person) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(person, 'tests')}"})


@pytest.fixture
def client() -> Client:
    """A client with a key of an administrator."""
    return client_of(first_person())


def send(client: Client, method: str, path: str, body: Json | None = None, status: int = 200) -> Any:
    answer = client.generic(method, f"/v1{path}", json.dumps(body or {}), "application/json")
    assert answer.status_code == status, answer.content
    return answer.json()


def make_agent(client: Client, **fields: Any) -> Json:
    agent: Json = send(client, "POST", "/agents/", {"model": "demo/planner", **fields})
    return agent


def shown(agent: Json) -> dict[str, str]:
    assert agent["secrets"] == agent["tool_exec_environment_variables"]
    return {variable["key"]: variable["value"] for variable in agent["secrets"]}


@pytest.mark.parametrize("field", ["secrets", "tool_exec_environment_variables"])
def test_a_secret_is_kept_for_tools_and_comes_back_masked(client: Client, field: str) -> None:
    agent = make_agent(client, **{field: {"TOKEN": "s3cret-value"}})
    [variable] = agent["secrets"]
    assert variable["id"].startswith("agent-env-")
    assert (variable["agent_id"], variable["key"], variable["value_enc"]) == (agent["id"], "TOKEN", None)
    listed = client.get("/v1/agents/?include=agent.tags").content.decode()
    assert shown(agent) == {"TOKEN": "•••"}
    assert "s3cret-value" not in listed
    environment = environment_of(agent["id"])
    assert environment.values == {"TOKEN": "s3cret-value"}
    assert environment.secrets == {"s3cret-value"}


def test_a_patch_replaces_all_and_the_mask_that_was_read_keeps_a_value(client: Client) -> None:
    path = f"/agents/{(agent := make_agent(client, secrets={'A': 'aaaa', 'B': 'bbbb', 'C': 'cccc'}))['id']}"
    assert shown(send(client, "PATCH", path, {"name": "Other"})) == {"A": "•••", "B": "•••", "C": "•••"}
    read = shown(send(client, "GET", path))
    send(client, "PATCH", path, {"secrets": {"A": read["A"], "B": "new"}})
    assert environment_of(agent["id"]).values == {"A": "aaaa", "B": "new"}
    assert shown(send(client, "PATCH", path, {"secrets": {}})) == {}


def test_what_is_shown_stays_so_in_the_older_field_and_becomes_secret_in_the_newer(client: Client) -> None:
    agent = make_agent(client)
    set_variable(ME, Agent.objects.get(), "REGION", "north", is_secret=False)
    path = f"/agents/{agent['id']}"
    older = {"tool_exec_environment_variables": {"REGION": "south", "NEW": "word"}}
    assert shown(send(client, "PATCH", path, older)) == {"NEW": "•••", "REGION": "south"}
    assert shown(send(client, "PATCH", path, {"secrets": {"REGION": "south"}})) == {"REGION": "•••"}


def test_secrets_in_clear_need_to_be_asked_for_with_a_key_of_an_administrator(client: Client) -> None:
    path = f"/agents/{make_agent(client, secrets={'TOKEN': 's3cret-value'})['id']}?include=agent.secrets"
    assert shown(send(client, "GET", path)) == {"TOKEN": "s3cret-value"}
    other = client_of(Person.objects.create(username="nadia"))
    assert shown(send(other, "GET", path)) == {"TOKEN": "•••"}


def test_nothing_is_made_or_changed_where_a_variable_is_refused(client: Client) -> None:
    send(client, "POST", "/agents/", {"model": "demo/planner", "secrets": {"PATH": "x"}}, status=400)
    assert not Agent.objects.exists()
    agent = make_agent(client, name="Librarian", secrets={"A": "aaaa"})
    send(client, "PATCH", f"/agents/{agent['id']}", {"name": "Other", "secrets": {"1": "x"}}, status=400)
    assert Agent.objects.get().name == "Librarian"
    assert environment_of(agent["id"]).values == {"A": "aaaa"}


def test_agents_can_be_read_with_another_encryption_key(client: Client, settings: Any) -> None:
    agent = make_agent(client)
    set_variable(ME, Agent.objects.get(), "REGION", "north", is_secret=False)
    settings.ADE_ENCRYPTION_KEY = Fernet.generate_key().decode()
    assert shown(send(client, "GET", f"/agents/{agent['id']}")) == {"REGION": "•••"}
    answer = send(client, "GET", f"/agents/{agent['id']}?include=agent.secrets", status=400)
    assert "ADE_ENCRYPTION_KEY" in answer["detail"]
    assert AgentVariable.objects.count() == 1
