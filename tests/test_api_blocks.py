"""Memory blocks over the API: shared by agents, limited in length, found by what they say and whose they are."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Block
from tests.api_client import Api, Json

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Api:
    return Api()


def make(api: Api, label: str = "human", value: str = "Ada", **fields: Any) -> Json:
    block: Json = api.post("/blocks/", {"label": label, "value": value, **fields})
    return block


def values(api: Api, query: str) -> list[str]:
    return [block["value"] for block in api.get(f"/blocks/?{query}")]


def test_what_is_sent_comes_back_and_what_is_not_sent_stays(api: Api) -> None:
    sent: Json = {
        "limit": 50,
        "description": "Who they are",
        "read_only": True,
        "metadata": {"a": 1},
        "tags": ["x"],
        "is_template": True,
        "template_name": "person",
        "hidden": True,
        "project_id": "p1",
        "entity_id": "e1",
        "deployment_id": "d1",
        "preserve_on_migration": False,
    }
    block = make(api, **sent)
    assert {name: block[name] for name in sent} == sent
    assert api.get(f"/blocks/{block['id']}") == block
    patched = api.patch(f"/blocks/{block['id']}", {"value": "Grace", "hidden": False})
    assert {name for name in block if block[name] != patched[name]} == {"value", "hidden", "updated_at"}


def test_a_limit_is_a_limit_whichever_of_the_two_is_changed(api: Api) -> None:
    assert (
        "at most 3 characters; this text has 4"
        in api.post("/blocks/", {"label": "a", "value": "four", "limit": 3}, status=400)["detail"]
    )
    block = make(api, value="four", limit=4)
    path = f"/blocks/{block['id']}"
    assert "at most 4 characters; this text has 5" in api.patch(path, {"value": "fiver"}, status=400)["detail"]
    assert "at most 2 characters; this text has 4" in api.patch(path, {"limit": 2}, status=400)["detail"]
    assert api.get(path) == block
    assert api.patch(path, {"value": "fiver", "limit": 5})["value"] == "fiver"


def test_a_block_lives_until_it_is_deleted(api: Api) -> None:
    block = make(api)
    agent = api.make_agent(block_ids=[block["id"]])
    assert api.delete(f"/blocks/{block['id']}") is None
    assert api.get(f"/agents/{agent['id']}")["blocks"] == []
    assert "Block not found" in api.get(f"/blocks/{block['id']}", status=404)["detail"]
    assert "no block id" in api.get("/blocks/block-1", status=422)["detail"]


def test_a_shared_block_says_the_same_to_all_its_agents(api: Api) -> None:
    block = make(api)
    one, two = (api.make_agent(block_ids=[block["id"]]) for _ in range(2))
    api.patch(f"/agents/{one['id']}/core-memory/blocks/human", {"value": "Grace"})
    assert api.get(f"/agents/{two['id']}/core-memory/blocks/human")["value"] == "Grace"
    assert api.get(f"/agents/{two['id']}/core-memory")["blocks"][0]["value"] == "Grace"
    assert [agent["id"] for agent in api.get(f"/blocks/{block['id']}/agents")] == [two["id"], one["id"]]
    assert [agent["id"] for agent in api.get(f"/blocks/{block['id']}/agents?limit=1&after={two['id']}")] == [one["id"]]


def test_blocks_are_attached_and_detached(api: Api) -> None:
    agent, block, rival = api.make_agent(), make(api), make(api, value="Eve")
    path = f"/agents/{agent['id']}/core-memory/blocks"
    for _ in range(2):
        assert [one["id"] for one in api.patch(f"{path}/attach/{block['id']}")["blocks"]] == [block["id"]]
    assert "two of human" in api.patch(f"{path}/attach/{rival['id']}", status=409)["detail"]
    assert api.patch(f"{path}/detach/{block['id']}")["memory"]["blocks"] == []
    assert api.patch(f"{path}/detach/{block['id']}")["blocks"] == []
    assert api.get(f"/blocks/{block['id']}")["value"] == "Ada"
    assert [one["id"] for one in api.patch(f"{path}/attach/{rival['id']}")["blocks"]] == [rival["id"]]


def test_a_block_is_not_renamed_into_its_agents_other_one(api: Api) -> None:
    agent = api.make_agent(memory_blocks=[{"label": "human", "value": ""}, {"label": "persona", "value": ""}])
    path = f"/agents/{agent['id']}/core-memory/blocks/human"
    assert "labelled 'persona'" in api.patch(path, {"label": "persona"}, status=409)["detail"]
    assert api.patch(path, {"label": "person"})["label"] == "person"


def test_patching_an_agents_block_ids_replaces_them(api: Api) -> None:
    agent, other = api.make_agent(memory_blocks=[{"label": "human", "value": "Ada"}]), make(api, "persona", "Kind")
    patched = api.patch(f"/agents/{agent['id']}", {"block_ids": [other["id"]]})
    assert [block["label"] for block in patched["blocks"]] == ["persona"]
    assert Block.objects.filter(label="human").exists()
    assert "Unknown blocks" in api.patch(f"/agents/{agent['id']}", {"block_ids": ["block-x"]}, status=400)["detail"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("label=human", ["Ada", "Eve"]),
        ("label=hum", []),
        ("label_search=hum", ["Ada", "Eve"]),
        ("value_search=ki", ["Kind"]),
        ("description_search=voice", ["Kind"]),
        ("name=greeter", ["Kind"]),
        ("templates_only=true", ["Kind"]),
        ("tags=a&tags=b", ["Ada", "Eve"]),
        ("tags=a&tags=b&match_all_tags=true", ["Eve"]),
        ("project_id=p1", ["Ada"]),
        ("connected_to_agents_count_gt=0", ["Ada"]),
        ("connected_to_agents_count_lt=1", ["Kind", "Eve"]),
        ("connected_to_agents_count_eq=1&connected_to_agents_count_eq=2", ["Ada"]),
        ("connected_to_agents_count_eq=0", ["Kind", "Eve"]),
        ("order=desc", ["Eve", "Kind", "Ada"]),
        ("identifier_keys=ada", ["Ada"]),
    ],
)
def test_blocks_are_found_by_what_they_say_and_whose_they_are(api: Api, query: str, found: list[str]) -> None:
    ada = make(api, tags=["a"], project_id="p1")
    make(api, "persona", "Kind", is_template=True, template_name="greeter", description="The voice")
    make(api, value="Eve", tags=["a", "b"])
    api.make_agent(block_ids=[ada["id"]])
    api.post(
        "/identities/",
        {"identifier_key": "ada", "name": "Ada", "identity_type": "user", "block_ids": [ada["id"]]},
    )
    assert values(api, query) == found


def test_paging_goes_through_all_blocks(api: Api) -> None:
    ids = [make(api, value=str(number))["id"] for number in range(5)]
    assert values(api, "limit=2") == ["0", "1"]
    assert values(api, f"limit=2&after={ids[1]}") == ["2", "3"]
    assert values(api, f"limit=2&before={ids[4]}") == ["2", "3"]
    assert values(api, f"limit=2&order=desc&after={ids[1]}") == ["0"]
    assert values(api, f"after={ids[4]}") == []
    assert api.get("/blocks/count") == 5


@pytest.mark.parametrize("path", ["/blocks/?limit={}", "/blocks/{{block}}/agents?limit={}"])
def test_lists_take_as_many_queries_for_many_as_for_one(api: Api, path: str) -> None:
    block = make(api)
    for number in range(10):
        make(api, value=str(number))
        api.make_agent(block_ids=[block["id"]])
    counts = []
    for limit in (1, 10):
        with CaptureQueriesContext(connection) as asked:
            assert len(api.get(path.format(limit).replace("{block}", block["id"]))) == limit
        counts.append(len(asked))
    assert counts[0] == counts[1]
