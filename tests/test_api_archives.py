"""Archives, passages, archival memory, embedding models and providers over the API, and the two built-in tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from letta_client.types import Archive as SdkArchive
from letta_client.types import EmbeddingModel
from letta_client.types import Passage as SdkPassage
from letta_client.types.agents import PassageSearchResponse

from access.keys import first_person, make_api_key
from archives.built_ins import NOTHING_FOUND, archival_memory_insert, archival_memory_search
from archives.models import Archive, ArchiveAgent, Passage
from tests.pages import an_agent
from tests.provider_fixtures import ProviderStub
from tools.built_in import BUILT_INS, ToolFault
from tools.models import Tool
from tools.toolbox import Caller, Equipment

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def send(client: Client, method: str, path: str, body: Json | None = None, status: int = 200) -> Any:
    if method == "GET":
        answer = client.get(f"/v1{path}", body or {})
    else:
        answer = client.generic(method, f"/v1{path}", json.dumps(body or {}), "application/json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def an_archive(client: Client, name: str = "Notes", **fields: Any) -> Json:
    archive: Json = send(client, "POST", "/archives/", {"name": name, **fields})
    return archive


def contents(found: Json) -> list[str]:
    return [result["content"] for result in found["results"]]


def test_an_archive_is_made_read_changed_and_deleted(client: Client) -> None:
    made = an_archive(client, description="Of the harbour")
    assert SdkArchive.model_validate(made).name == "Notes"
    assert (made["description"], made["embedding_config"], made["vector_db_provider"]) == (
        "Of the harbour",
        None,
        "native",
    )
    path = f"/archives/{made['id']}"
    assert send(client, "GET", path) == made
    changed = send(client, "PATCH", path, {"name": "Logs"})
    assert (changed["name"], changed["description"]) == ("Logs", "Of the harbour")
    assert send(client, "DELETE", path, status=204) is None
    send(client, "GET", path, status=404)


def test_an_archive_says_which_embedding_model_it_has(client: Client) -> None:
    config = an_archive(client, embedding="openai/text-embedding-3-small")["embedding_config"]
    assert (config["handle"], config["embedding_dim"]) == ("openai/text-embedding-3-small", 1536)
    assert (config["embedding_model"], config["embedding_endpoint_type"]) == ("text-embedding-3-small", "openai")
    for handle in ("nobody/has-this", "anthropic/embeds-not", "no-slash"):
        assert "openai" in send(client, "POST", "/archives/", {"name": "x", "embedding": handle}, status=404)["detail"]


@pytest.mark.parametrize("body", [{}, {"name": 1}, {"name": "x", "embedding_config": []}])
def test_an_archive_of_the_wrong_shape_is_refused(client: Client, body: Json) -> None:
    send(client, "POST", "/archives/", body, status=422)


def test_archives_are_listed_newest_first_by_agent_and_name_page_after_page(client: Client) -> None:
    ids = [an_archive(client, name)["id"] for name in ("one", "two", "two")]
    agent = an_agent()
    send(client, "PATCH", f"/agents/{agent.pk}/archives/attach/{ids[1]}")

    def listed(**query: Any) -> list[str]:
        return [archive["id"] for archive in send(client, "GET", "/archives/", query)]

    assert listed() == ids[::-1]
    assert listed(order="asc", limit=2) == ids[:2]
    assert listed(order="asc", limit=2, after=ids[1]) == ids[2:]
    assert listed(name="two") == [ids[2], ids[1]]
    assert listed(agent_id=agent.pk) == [ids[1]]
    assert listed(after=ids[0]) == []


def test_passages_go_into_an_archive_one_or_many_and_out_again(client: Client) -> None:
    path = f"/archives/{an_archive(client)['id']}/passages"
    first = send(client, "POST", path, {"text": "one", "metadata": {"page": 3}, "created_at": "2025-01-02T03:04:05"})
    assert SdkPassage.model_validate(first).text == "one"
    assert (first["metadata"], first["created_at"], first["tags"]) == ({"page": 3}, "2025-01-02T03:04:05.000000Z", [])
    more = send(client, "POST", f"{path}/batch", {"passages": [{"text": "two", "tags": ["a"]}, {"text": "three"}]})
    assert [(passage["text"], passage["tags"]) for passage in more] == [("two", ["a"]), ("three", [])]
    send(client, "POST", f"{path}/batch", {"passages": [{"text": "four"}, {"text": " "}]}, status=400)
    assert Passage.objects.count() == 3
    assert send(client, "DELETE", f"{path}/{first['id']}", status=204) is None
    send(client, "DELETE", f"{path}/{first['id']}", status=404)
    elsewhere = f"/archives/{an_archive(client)['id']}/passages/{more[0]['id']}"
    send(client, "DELETE", elsewhere, status=404)


def test_attaching_twice_is_once_and_detaching_leaves_the_archive(client: Client) -> None:
    agent, archive = an_agent(), an_archive(client)
    for _ in range(2):
        assert send(client, "PATCH", f"/agents/{agent.pk}/archives/attach/{archive['id']}") is None
    assert ArchiveAgent.objects.count() == 1
    for _ in range(2):
        assert send(client, "PATCH", f"/agents/{agent.pk}/archives/detach/{archive['id']}") is None
    assert Archive.objects.filter(agents=None).count() == 1
    send(client, "PATCH", f"/agents/{agent.pk}/archives/attach/archive-{UNKNOWN}", status=404)
    send(client, "PATCH", f"/agents/agent-{UNKNOWN}/archives/attach/{archive['id']}", status=404)


def test_an_agent_remembers_lists_pages_and_forgets(client: Client) -> None:
    path = f"/agents/{an_agent().pk}/archival-memory"
    assert send(client, "GET", path) == []
    made = [send(client, "POST", path, {"text": f"memory {number}", "tags": ["x"]}) for number in range(4)]
    assert all(len(one) == 1 and SdkPassage.model_validate(one[0]).tags == ["x"] for one in made)
    ids = [one[0]["id"] for one in made]
    assert len({one[0]["archive_id"] for one in made}) == 1

    def listed(**query: Any) -> list[str]:
        return [passage["id"] for passage in send(client, "GET", path, query)]

    assert listed() == ids
    assert listed(ascending="false", limit=2) == [ids[3], ids[2]]
    assert listed(after=ids[1]) == ids[2:]
    assert listed(before=ids[2], limit=1) == [ids[1]]
    assert listed(search="MEMORY 2") == [ids[2]]
    assert send(client, "DELETE", f"{path}/{ids[0]}") is None
    assert listed() == ids[1:]
    send(client, "DELETE", f"{path}/{ids[0]}", status=404)
    send(client, "POST", path, {"text": ""}, status=400)
    send(client, "POST", path, {"tags": ["x"]}, status=422)


def test_an_agent_cannot_forget_what_another_remembers(client: Client) -> None:
    mine, other = an_agent(), an_agent("Other")
    [passage] = send(client, "POST", f"/agents/{mine.pk}/archival-memory", {"text": "mine"})
    send(client, "DELETE", f"/agents/{other.pk}/archival-memory/{passage['id']}", status=404)
    assert Passage.objects.count() == 1


def test_an_agents_memory_is_searched_with_tags_times_and_top_k(client: Client) -> None:
    agent = an_agent(timezone="Europe/Berlin")
    path = f"/agents/{agent.pk}/archival-memory"
    for text, tags, at in (
        ("The ferry leaves at nine.", ["ferry", "time"], "2025-09-29T22:30:00Z"),
        ("The ferry is red.", ["ferry"], "2025-09-30T22:30:00Z"),
        ("Tea is served.", ["time"], "2025-10-01T12:00:00Z"),
    ):
        send(client, "POST", path, {"text": text, "tags": tags, "created_at": at})

    def found(**query: Any) -> list[str]:
        return contents(send(client, "GET", f"{path}/search", query))

    answer = send(client, "GET", f"{path}/search", {"query": "when does the ferry leave?"})
    assert PassageSearchResponse.model_validate(answer).count == len(answer["results"]) == 2
    assert answer["results"][0]["timestamp"] == "2025-09-30T00:30:00+02:00"
    assert answer["results"][0]["tags"] == ["ferry", "time"]
    assert found(query="ferry", top_k=1) == ["The ferry is red."]
    assert found(query="ferry", tags=["ferry", "time"], tag_match_mode="all") == ["The ferry leaves at nine."]
    assert len(found(query="ferry tea", tags=["ferry", "time"])) == 3
    # A day is the agent's: in Berlin the first passage is of the 30th, the second of the next month.
    assert found(query="ferry", start_datetime="2025-09-30", end_datetime="2025-09-30") == ["The ferry leaves at nine."]
    assert found(query="ferry", start_datetime="2025-10-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "query",
    [{}, {"query": "a", "top_k": 0}, {"query": "a", "tag_match_mode": "some"}, {"query": "a", "start_datetime": "x"}],
)
def test_a_search_that_makes_no_sense_is_refused(client: Client, query: Json) -> None:
    send(client, "GET", f"/agents/{an_agent().pk}/archival-memory/search", query, status=422)


def test_passages_are_searched_by_agent_by_archive_and_everywhere(client: Client) -> None:
    agent, archive = an_agent(), an_archive(client)
    send(client, "POST", f"/agents/{agent.pk}/archival-memory", {"text": "own boat", "tags": ["a"]})
    send(client, "POST", f"/archives/{archive['id']}/passages", {"text": "archived boat", "tags": ["b"]})

    def found(**body: Any) -> set[str]:
        return {item["passage"]["text"] for item in send(client, "POST", "/passages/search", body)}

    assert found(query="boat") == found() == {"own boat", "archived boat"}
    assert found(query="boat", agent_id=agent.pk) == {"own boat"}
    assert found(query="boat", archive_id=archive["id"]) == {"archived boat"}
    assert found(query="boat", tags=["b"]) == {"archived boat"}
    assert found(query="boat", end_date="2001-01-01T00:00:00") == set()
    [best] = send(client, "POST", "/passages/search", {"query": "own", "limit": 1})
    assert best["score"] > 0 and best["metadata"]["fts_rank"] == 1
    send(client, "POST", "/passages/search", {"query": "a", "archive_id": f"archive-{UNKNOWN}"}, status=404)
    send(client, "POST", "/passages/search", {"query": "a", "limit": 0}, status=422)


def test_lists_and_searches_ask_a_constant_number_of_questions(client: Client) -> None:
    agent = an_agent()
    archive = an_archive(client)
    send(client, "PATCH", f"/agents/{agent.pk}/archives/attach/{archive['id']}")

    def asked() -> list[int]:
        counts = []
        for method, path in (
            ("GET", f"/agents/{agent.pk}/archival-memory"),
            ("GET", f"/agents/{agent.pk}/archival-memory/search?query=boat"),
            ("POST", "/passages/search"),
            ("GET", f"/archives/?agent_id={agent.pk}"),
        ):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                send(client, method, path, {"query": "boat"} if method == "POST" else None)
            counts.append(len(queries))
        return counts

    def remember(count: int) -> None:
        passages = [{"text": f"boat {number}", "tags": ["x"]} for number in range(count)]
        send(client, "POST", f"/archives/{archive['id']}/passages/batch", {"passages": passages})
        other = an_archive(client, f"with {count}")
        send(client, "PATCH", f"/agents/{agent.pk}/archives/attach/{other['id']}")

    remember(2)
    few = asked()
    remember(40)
    assert asked() == few
    assert max(few) < 12


def test_embedding_models_are_those_of_the_configured_providers(client: Client, settings: Any) -> None:
    assert send(client, "GET", "/models/embedding") == []
    settings.OPENAI_API_KEY = "a-key"
    models = send(client, "GET", "/models/embedding")
    assert {model["handle"] for model in models} >= {"openai/text-embedding-3-small", "openai/text-embedding-3-large"}
    assert all(EmbeddingModel.model_validate(model).embedding_dim > 0 for model in models)


def test_providers_are_those_of_the_environment_without_their_keys(client: Client, settings: Any) -> None:
    assert [provider["name"] for provider in send(client, "GET", "/providers/")] == ["demo"]
    settings.OPENAI_API_KEY, settings.OPENAI_BASE_URL = "a-very-secret-key", "http://127.0.0.1:9/v1"
    text = client.get("/v1/providers/").content.decode()
    assert "secret" not in text
    openai, demo = json.loads(text)
    assert (openai["name"], openai["provider_type"], openai["base_url"]) == (
        "openai",
        "openai",
        "http://127.0.0.1:9/v1",
    )
    assert send(client, "GET", "/providers/", {"name": "openai"}) == [openai]
    assert send(client, "GET", "/providers/", {"limit": 1, "after": openai["id"]}) == [demo]
    assert send(client, "GET", f"/providers/{openai['id']}") == openai
    send(client, "GET", f"/providers/provider-{UNKNOWN}", status=404)
    send(client, "GET", "/providers/x", status=422)


def test_setting_up_a_provider_says_what_to_set_instead(client: Client, settings: Any) -> None:
    settings.OPENAI_API_KEY = "a-key"
    new = {"name": "mine", "provider_type": "anthropic", "api_key": "a-key"}
    assert "ANTHROPIC_API_KEY" in send(client, "POST", "/providers/", new, status=400)["detail"]
    [provider] = send(client, "GET", "/providers/", {"name": "openai"})
    path = f"/providers/{provider['id']}"
    for method in ("PATCH", "DELETE"):
        assert "OPENAI_API_KEY" in send(client, method, path, {"api_key": "other"}, status=400)["detail"]
    assert "openai" in send(client, "POST", "/providers/", {**new, "provider_type": "groq"}, status=400)["detail"]
    send(client, "POST", "/providers/", {"name": "mine"}, status=422)


def test_a_key_is_checked_by_asking_its_provider(client: Client, settings: Any, provider_stub: ProviderStub) -> None:
    settings.OPENAI_BASE_URL = provider_stub.openai_url
    good = {"provider_type": "openai", "api_key": "a-key"}
    assert "takes the key" in send(client, "POST", "/providers/check", good)["message"]
    assert send(client, "POST", "/providers/check", {**good, "api_key": "bad-key"}, status=401)
    [provider] = send(client, "GET", "/providers/", {"name": "openai"})
    assert "takes the key" in send(client, "POST", f"/providers/{provider['id']}/check")["message"]
    settings.OPENAI_BASE_URL = "http://127.0.0.1:9/v1"
    send(client, "POST", "/providers/check", good, status=400)


def equipment(agent_id: str, tool: str) -> Equipment:
    return Equipment(Tool(name=tool, tool_type="letta_core"), caller=Caller(agent_id) if agent_id else None)


def unheard(stream: object, text: str) -> None:
    raise AssertionError("these tools print nothing")


@pytest.mark.django_db(transaction=True)
async def test_the_tools_remember_and_find_for_the_agent_that_calls_them() -> None:
    from asgiref.sync import sync_to_async

    agent = await sync_to_async(an_agent)(timezone="Asia/Tokyo")
    insert, search = equipment(agent.pk, "archival_memory_insert"), equipment(agent.pk, "archival_memory_search")
    said = await archival_memory_insert(insert, {"content": "The ferry is red.", "tags": ["ferry"]}, unheard)
    assert "passage-" in said
    [found] = json.loads(await archival_memory_search(search, {"query": "red ferries", "tags": ["ferry"]}, unheard))
    assert (found["content"], found["tags"]) == ("The ferry is red.", ["ferry"])
    assert found["timestamp"].endswith("+09:00") and found["relevance"]["fts_rank"] == 1
    assert await archival_memory_search(search, {"query": "volcano"}, unheard) == NOTHING_FOUND
    assert (
        await archival_memory_search(search, {"query": "ferry", "end_datetime": "2001-01-01"}, unheard) == NOTHING_FOUND
    )
    for call, arguments in (
        (archival_memory_search, {"query": "a", "start_datetime": "yesterday"}),
        (archival_memory_insert, {"content": " "}),
    ):
        with pytest.raises(ToolFault):
            await call(search, arguments, unheard)
    with pytest.raises(ToolFault, match="run it for an agent"):
        await archival_memory_insert(equipment("", "archival_memory_insert"), {"content": "x"}, unheard)


def test_only_the_search_is_parallel_when_the_tools_come_into_the_library() -> None:
    insert, search = BUILT_INS["archival_memory_insert"], BUILT_INS["archival_memory_search"]
    assert (insert.is_parallel, search.is_parallel) == (False, True)
    assert (insert.parameters["required"], search.parameters["required"]) == (["content"], ["query"])
    assert set(search.parameters["properties"]) == {
        "query", "tags", "tag_match_mode", "top_k", "start_datetime", "end_datetime"
    }  # fmt: skip
