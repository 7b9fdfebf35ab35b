"""Identities over the API: whom an application knows, with the agents and blocks that are theirs."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.models import Activity
from tests.api_client import Api, Json

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def make(api: Api, key: str = "ada", **fields: Any) -> Json:
    identity: Json = api.post(
        "/identities/", {"identifier_key": key, "name": key.title(), "identity_type": "user", **fields}
    )
    return identity


def test_what_is_sent_comes_back_and_what_is_not_sent_stays(api: Api) -> None:
    agent, block = api.make_agent(), api.post("/blocks/", {"label": "human", "value": "Ada"})
    sent: Json = {
        "properties": [
            {"key": "email", "value": "a@b.c", "type": "string"},
            {"key": "age", "value": 36, "type": "number"},
            {"key": "is_member", "value": True, "type": "boolean"},
            {"key": "shelf", "value": {"row": 1}, "type": "json"},
        ],
        "project_id": "p1",
        "agent_ids": [agent["id"]],
        "block_ids": [block["id"]],
    }
    identity = make(api, **sent)
    assert {name: identity[name] for name in sent} == sent
    assert api.get(f"/identities/{identity['id']}") == identity
    patched = api.patch(f"/identities/{identity['id']}", {"name": "Countess"})
    assert {name for name in identity if identity[name] != patched[name]} == {"name", "updated_at"}
    assert api.patch(f"/identities/{identity['id']}", {"agent_ids": []})["agent_ids"] == []


def test_the_agent_tells_its_identities(api: Api) -> None:
    identity = make(api)
    agent = api.make_agent(identity_ids=[identity["id"]])
    assert agent["identity_ids"] == [identity["id"]]
    assert agent["identities"][0]["agent_ids"] == [agent["id"]]
    assert api.patch(f"/agents/{agent['id']}", {"name": "other"})["identity_ids"] == [identity["id"]]
    assert api.patch(f"/agents/{agent['id']}", {"identity_ids": []})["identities"] == []
    assert "Unknown identities" in api.patch(f"/agents/{agent['id']}", {"identity_ids": ["x"]}, status=400)["detail"]


def test_identities_are_attached_and_detached(api: Api) -> None:
    identity, agent = make(api), api.make_agent()
    path = f"/agents/{agent['id']}/identities"
    for _ in range(2):
        assert api.patch(f"{path}/attach/{identity['id']}") is None
    assert api.get(f"/identities/{identity['id']}")["agent_ids"] == [agent["id"]]
    assert [one["id"] for one in api.get(f"/identities/{identity['id']}/agents")] == [agent["id"]]
    api.patch(f"{path}/detach/{identity['id']}")
    assert api.get(f"/agents/{agent['id']}")["identity_ids"] == []
    assert [line.verb for line in Activity.objects.filter(target_id=agent["id"])][:2] == [
        "detached an identity",
        "attached an identity",
    ]
    assert (
        "not found" in api.patch(f"{path}/attach/identity-00000000-0000-4000-8000-000000000000", status=404)["detail"]
    )


def test_blocks_belong_to_identities_too(api: Api) -> None:
    identity, block = make(api), api.post("/blocks/", {"label": "human", "value": "Ada"})
    api.patch(f"/blocks/{block['id']}/identities/attach/{identity['id']}")
    assert [one["id"] for one in api.get(f"/identities/{identity['id']}/blocks")] == [block["id"]]
    assert [one["id"] for one in api.get(f"/blocks/?identity_id={identity['id']}")] == [block["id"]]
    api.patch(f"/blocks/{block['id']}/identities/detach/{identity['id']}")
    assert api.get(f"/identities/{identity['id']}")["block_ids"] == []


def test_a_key_is_one_identitys(api: Api) -> None:
    make(api)
    eve = make(api, "eve")
    body = {"identifier_key": "ada", "name": "Other", "identity_type": "org"}
    assert "'ada'" in api.post("/identities/", body, status=409)["detail"]
    assert "'ada'" in api.patch(f"/identities/{eve['id']}", {"identifier_key": "ada"}, status=409)["detail"]
    assert api.get(f"/identities/{eve['id']}")["identifier_key"] == "eve"


def test_putting_makes_or_changes_the_identity_of_the_key(api: Api) -> None:
    body = {"identifier_key": "ada", "name": "Ada", "identity_type": "user"}
    made = api.put("/identities/", {**body, "properties": [{"key": "a", "value": "b", "type": "string"}]})
    changed = api.put("/identities/", {**body, "name": "Countess"})
    assert (changed["id"], changed["name"], changed["properties"]) == (made["id"], "Countess", made["properties"])
    assert api.get("/identities/count") == 1


def test_properties_are_set_by_their_key(api: Api) -> None:
    identity = make(api, properties=[{"key": "a", "value": "1", "type": "string"}])
    path = f"/identities/{identity['id']}"
    api.put(
        f"{path}/properties",
        [{"key": "a", "value": 2, "type": "number"}, {"key": "b", "value": True, "type": "boolean"}],
    )
    assert [(one["key"], one["value"]) for one in api.get(path)["properties"]] == [("a", 2), ("b", True)]


def test_an_identity_can_be_deleted_and_its_agents_stay(api: Api) -> None:
    identity = make(api)
    agent = api.make_agent(identity_ids=[identity["id"]])
    assert api.delete(f"/identities/{identity['id']}") is None
    assert api.get(f"/agents/{agent['id']}")["identities"] == []
    api.get(f"/identities/{identity['id']}", status=404)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"identifier_key": "a", "name": "A", "identity_type": "robot"}, 422, "identity_type"),
        ({"name": "A", "identity_type": "user"}, 422, "identifier_key"),
        ({"identifier_key": "", "name": "A", "identity_type": "user"}, 400, "identifier_key"),
        ({"identifier_key": "a", "name": "A", "identity_type": "user", "agent_ids": ["x"]}, 400, "Unknown agents: x"),
        ({"identifier_key": "a", "name": "A", "identity_type": "user", "block_ids": ["y"]}, 400, "Unknown blocks: y"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(api: Api, body: Json, status: int, text: str) -> None:
    assert text in api.post("/identities/", body, status=status)["detail"]
    assert api.get("/identities/count") == 0


def test_identities_are_listed_and_found(api: Api) -> None:
    ids = [make(api, key)["id"] for key in ("ada", "eve", "mia")]
    make(api, "acme", identity_type="org", project_id="p1")

    def keys(query: str) -> list[str]:
        return [one["identifier_key"] for one in api.get(f"/identities/?{query}")]

    assert keys("") == ["acme", "mia", "eve", "ada"]
    assert keys("identity_type=org") == keys("project_id=p1") == keys("name=Acme") == ["acme"]
    assert keys("identifier_key=eve") == ["eve"]
    assert keys(f"limit=1&after={ids[2]}") == ["eve"]
    assert keys(f"limit=1&order=asc&after={ids[0]}") == ["eve"]


def test_a_list_of_many_takes_as_many_queries_as_a_list_of_one(api: Api) -> None:
    for number in range(10):
        make(api, f"key-{number}", agent_ids=[api.make_agent()["id"]])
    counts = []
    for limit in (1, 10):
        with CaptureQueriesContext(connection) as asked:
            assert len(api.get(f"/identities/?limit={limit}")) == limit
        counts.append(len(asked))
    assert counts[0] == counts[1]
