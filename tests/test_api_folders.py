"""Folders and files over the API: made, filled, attached, opened; shapes as the SDKs know them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from letta_client.types import AgentState
from letta_client.types import Folder as SdkFolder
from letta_client.types.agents import FileListResponse as SdkAgentFile
from letta_client.types.agents import FolderListResponse
from letta_client.types.folders import FileListResponse as SdkFile

from access.keys import first_person, make_api_key
from folders.attachment import FILE_TOOLS
from folders.models import File, FileAgent, Folder, Upload
from folders.reading import read_document
from tests.documents import pdf
from tests.pages import an_agent

pytestmark = pytest.mark.django_db

Json = dict[str, Any]
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def client() -> Client:
    """A client with a key."""
    return Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def send(client: Client, method: str, path: str, body: Json | None = None, status: int = 200) -> Any:
    if method == "GET":
        answer = client.get(f"/v1{path}", body or {})
    else:
        answer = client.generic(method, f"/v1{path}", json.dumps(body or {}), "application/json")
    assert answer.status_code == status, answer.content
    return answer.json() if answer.content else None


def a_folder(client: Client, name: str = "docs", **fields: Any) -> Json:
    made: Json = send(client, "POST", "/folders/", {"name": name, **fields})
    return made


def upload(client: Client, folder: Json, name: str, body: bytes, *, query: str = "", status: int = 200) -> Json:
    path = f"/v1/folders/{folder['id']}/upload{query}"
    answer = client.post(path, {"file": SimpleUploadedFile(name, body)})
    assert answer.status_code == status, answer.content
    sent: Json = answer.json()
    return sent


def attached(client: Client, *folders: Json, **extras: Any) -> str:
    """The id of an agent that has these folders."""
    agent = an_agent("Reader", extras=extras)
    for folder in folders:
        assert send(client, "PATCH", f"/agents/{agent.pk}/folders/attach/{folder['id']}") is None
    return agent.pk


def queries_of(call: Callable[[], object]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        call()
    return len(queries)


def test_a_folder_is_made_read_changed_listed_and_deleted(client: Client) -> None:
    made = a_folder(client, description="Papers", instructions="Cite them.", metadata={"team": "x"})
    assert SdkFolder.model_validate(made).name == "docs"
    assert made["id"].startswith("source-")
    assert made["embedding_config"]["embedding_model"] == "none"
    path = f"/folders/{made['id']}"
    assert send(client, "GET", path) == made
    changed = send(client, "PATCH", path, {"name": "papers"})
    assert (changed["name"], changed["description"], changed["metadata"]) == ("papers", "Papers", {"team": "x"})
    a_folder(client, "other")
    assert [one["name"] for one in send(client, "GET", "/folders/")] == ["papers", "other"]
    assert [one["name"] for one in send(client, "GET", "/folders/", {"name": "other"})] == ["other"]
    assert [one["name"] for one in send(client, "GET", "/folders/?order=desc&limit=1")] == ["other"]
    assert send(client, "GET", "/folders/count") == 2
    assert send(client, "GET", "/folders/name/papers") == made["id"]
    send(client, "GET", "/folders/name/nothing", status=404)
    assert send(client, "DELETE", path) is None
    send(client, "GET", path, status=404)


def test_an_embedding_handle_is_kept_as_its_configuration(client: Client) -> None:
    made = a_folder(client, embedding="openai/text-embedding-3-small", embedding_chunk_size=300)
    assert made["embedding_config"] == {
        "embedding_model": "text-embedding-3-small",
        "embedding_endpoint_type": "openai",
        "embedding_dim": 0,
        "handle": "openai/text-embedding-3-small",
        "embedding_chunk_size": 300,
    }


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"name": "taken"}, 409, "already a folder called taken"),
        ({"name": "a/b"}, 400, "no slash"),
        ({"name": " "}, 400, "name"),
        ({"name": "x" * 300}, 400, "at most 200"),
        ({}, 422, "name"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_with_what_is_wrong(
    client: Client, body: Json, status: int, says: str
) -> None:
    a_folder(client, "taken")
    assert says in send(client, "POST", "/folders/", body, status=status)["detail"]
    assert Folder.objects.count() == 1


def test_unknown_and_malformed_ids_are_told_apart(client: Client) -> None:
    folder = a_folder(client)
    agent = attached(client)
    for method, path in [
        ("GET", f"/folders/source-{UNKNOWN}"),
        ("GET", f"/folders/{folder['id']}/files/file-{UNKNOWN}"),
        ("DELETE", f"/folders/{folder['id']}/file-{UNKNOWN}"),
        ("PATCH", f"/agents/{agent}/folders/attach/source-{UNKNOWN}"),
        ("PATCH", f"/agents/{agent}/files/file-{UNKNOWN}/open"),
        ("PATCH", f"/agents/agent-{UNKNOWN}/files/close-all"),
    ]:
        send(client, method, path, status=404)
    send(client, "GET", "/folders/no-id", status=422)
    assert client.post(f"/v1/folders/{folder['id']}/upload", {"other": "x"}).status_code == 422


def test_plain_text_is_there_at_once(client: Client) -> None:
    folder = a_folder(client)
    sent = upload(client, folder, "notes.md", "# Größe\n".encode())
    file = SdkFile.model_validate(sent)
    assert (file.file_name, file.original_file_name, file.file_type) == ("docs/notes.md", "notes.md", "text/markdown")
    assert (file.processing_status, file.file_size, file.total_chunks, file.content) == ("completed", 10, 1, None)
    path = f"/folders/{folder['id']}/files/{file.id}"
    assert send(client, "GET", path)["content"] is None
    assert send(client, "GET", f"{path}?include_content=true")["content"] == "# Größe\n"
    assert send(client, "GET", f"/folders/{folder['id']}/files?include_content=true")[0]["content"] == "# Größe\n"
    totals = send(client, "GET", "/folders/metadata?include_detailed_per_source_metadata=true")
    assert (totals["total_sources"], totals["total_files"], totals["total_size"]) == (1, 1, 10)
    assert totals["sources"][0]["files"] == [{"file_id": file.id, "file_name": "docs/notes.md", "file_size": 10}]
    send(client, "DELETE", f"/folders/{folder['id']}/{file.id}", status=204)
    send(client, "GET", path, status=404)


def test_a_document_is_read_after_the_answer_and_its_bytes_are_not_kept(client: Client) -> None:
    folder = a_folder(client)
    sent = upload(client, folder, "paper.pdf", pdf("Of whales"))
    assert (sent["processing_status"], sent["file_type"]) == ("pending", "application/pdf")
    path = f"/folders/{folder['id']}/files/{sent['id']}"
    assert send(client, "GET", path)["processing_status"] == "pending"
    read_document(sent["id"])
    done = send(client, "GET", f"{path}?include_content=true")
    assert (done["processing_status"], done["content"].strip(), done["error_message"]) == (
        "completed",
        "Of whales",
        None,
    )
    assert not Upload.objects.exists()


def test_a_broken_document_ends_as_an_error_that_says_why(client: Client) -> None:
    folder = a_folder(client)
    sent = upload(client, folder, "paper.pdf", b"%PDF-1.4 and then nothing")
    read_document(sent["id"])
    done = send(client, "GET", f"/folders/{folder['id']}/files/{sent['id']}")
    assert done["processing_status"] == "error"
    assert "no PDF that can be read" in done["error_message"]


@pytest.mark.django_db(transaction=True)
def test_the_reading_starts_by_itself(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr("folders.reading._start", started.append)
    sent = upload(client, a_folder(client), "paper.pdf", pdf("Of whales"))
    assert started == [sent["id"]]


def test_a_file_whose_reader_died_is_read_when_it_is_asked_for(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = a_folder(client)
    sent = upload(client, folder, "paper.pdf", pdf("Of whales"))
    started: list[str] = []
    monkeypatch.setattr("folders.reading._start", started.append)
    path = f"/folders/{folder['id']}/files"
    send(client, "GET", path)
    assert started == []
    monkeypatch.setattr("folders.reading._GIVEN_UP_AFTER", timedelta(seconds=-1))
    send(client, "GET", path)
    send(client, "GET", f"{path}/{sent['id']}")
    assert started == [sent["id"], sent["id"]]


def test_a_document_is_read_by_one_reader_only(client: Client) -> None:
    sent = upload(client, a_folder(client), "paper.pdf", pdf("Of whales"))
    Upload.objects.update(claimed_at=timezone.now())
    read_document(sent["id"])
    assert File.objects.get().processing_status == "pending"


@pytest.mark.parametrize(
    ("handling", "status", "names", "text"),
    [
        ("", 200, ["a.txt", "a_(1).txt"], "old"),
        ("?duplicate_handling=suffix", 200, ["a.txt", "a_(1).txt"], "old"),
        ("?duplicate_handling=skip", 200, ["a.txt"], "old"),
        ("?duplicate_handling=replace", 200, ["a.txt"], "new"),
        ("?duplicate_handling=error", 409, ["a.txt"], "old"),
        ("?duplicate_handling=other", 422, ["a.txt"], "old"),
    ],
)
def test_a_name_that_is_taken(client: Client, handling: str, status: int, names: list[str], text: str) -> None:
    folder = a_folder(client)
    first = upload(client, folder, "a.txt", b"old")
    second = upload(client, folder, "a.txt", b"new", query=handling, status=status)
    assert sorted(File.objects.values_list("file_name", flat=True)) == names
    assert File.objects.get(file_name="a.txt").content == text
    if "skip" in handling:
        assert second["id"] == first["id"]


def test_a_file_gets_the_name_that_is_asked_for_and_no_directories(client: Client) -> None:
    folder = a_folder(client)
    named = upload(client, folder, "a.txt", b"x", query="?name=chosen.txt")
    assert (named["file_name"], named["original_file_name"]) == ("docs/chosen.txt", "a.txt")
    assert upload(client, folder, "b.txt", b"x", query="?name=../../etc/passwd")["file_name"] == "docs/passwd"


def test_what_is_too_large_or_no_text_is_refused_and_leaves_nothing(client: Client, settings: Any) -> None:
    folder = a_folder(client)
    refused = upload(client, folder, "picture.png", b"\x89PNG\r\n\x1a\n\0\0\0", status=415)
    assert "PDF, Word" in refused["detail"]
    settings.ADE_MAX_FILE_BYTES = 10
    assert "at most 10 bytes" in upload(client, folder, "a.txt", b"x" * 11, status=413)["detail"]
    assert not File.objects.exists()


def test_an_agent_gets_folders_and_the_file_tools_and_loses_them(client: Client) -> None:
    folder = a_folder(client)
    agent = attached(client, folder)
    listed = send(client, "GET", f"/agents/{agent}/folders")
    assert [FolderListResponse.model_validate(one).name for one in listed] == ["docs"]
    assert send(client, "GET", f"/folders/{folder['id']}/agents") == [agent]
    state = AgentState.model_validate(send(client, "GET", f"/agents/{agent}"))
    assert [source.id for source in state.sources] == [folder["id"]]
    assert {tool.name for tool in state.tools} == set(FILE_TOOLS)
    assert {tool.tool_type for tool in state.tools} == {"letta_files_core"}
    assert send(client, "PATCH", f"/agents/{agent}/folders/detach/{folder['id']}") is None
    after = send(client, "GET", f"/agents/{agent}")
    assert (after["sources"], after["tools"]) == ([], [])
    assert not FileAgent.objects.exists()


@pytest.mark.parametrize("field", ["folder_ids", "source_ids"])
def test_an_agent_is_made_with_folders_and_its_folders_are_replaced(client: Client, field: str) -> None:
    one, two = a_folder(client, "one"), a_folder(client, "two")
    new = {"model": "demo/planner", "include_base_tools": False, field: [one["id"]]}
    agent = send(client, "POST", "/agents/", new)
    assert [source["name"] for source in agent["sources"]] == ["one"]
    path = f"/agents/{agent['id']}"
    assert len(send(client, "PATCH", path, {"name": "Other"})["sources"]) == 1
    changed = send(client, "PATCH", path, {field: [two["id"]]})
    assert [source["name"] for source in changed["sources"]] == ["two"]
    assert {tool["name"] for tool in changed["tools"]} == set(FILE_TOOLS)
    refused = send(client, "PATCH", path, {"name": "Third", field: [f"source-{UNKNOWN}"]}, status=400)
    assert "Unknown folders" in refused["detail"]
    assert send(client, "GET", path)["name"] == "Other"
    assert send(client, "PATCH", path, {field: []})["tools"] == []


def test_files_are_opened_and_closed_and_the_ones_used_longest_ago_give_way(client: Client) -> None:
    folder = a_folder(client)
    ids = [upload(client, folder, f"{letter}.txt", letter.encode())["id"] for letter in "abc"]
    agent = attached(client, folder, max_files_open=2)
    path = f"/agents/{agent}/files"
    assert send(client, "PATCH", f"{path}/{ids[0]}/open") == []
    assert send(client, "PATCH", f"{path}/{ids[1]}/open") == []
    assert send(client, "PATCH", f"{path}/{ids[2]}/open") == ["docs/a.txt"]
    opened = send(client, "GET", f"{path}?is_open=true&order=asc")["files"]
    assert [SdkAgentFile.model_validate(one).file_name for one in opened] == ["docs/b.txt", "docs/c.txt"]
    assert opened[0]["visible_content"] == "[Lines 1 to 1 of 1]\n1: b"
    assert opened[0]["folder_name"] == "docs"
    blocks = send(client, "GET", f"/agents/{agent}")["memory"]["file_blocks"]
    assert sorted(block["label"] for block in blocks) == ["docs/b.txt", "docs/c.txt"]
    assert send(client, "PATCH", f"{path}/{ids[1]}/close") is None
    assert send(client, "PATCH", f"{path}/close-all") == ["docs/c.txt"]
    assert send(client, "GET", f"{path}?is_open=true") == {"files": [], "next_cursor": None, "has_more": False}
    assert all(one["visible_content"] is None for one in send(client, "GET", path)["files"])


def test_a_file_without_text_cannot_be_opened(client: Client) -> None:
    folder = a_folder(client)
    sent = upload(client, folder, "paper.pdf", pdf("Of whales"))
    agent = attached(client, folder)
    refused = send(client, "PATCH", f"/agents/{agent}/files/{sent['id']}/open", status=409)
    assert "still being read" in refused["detail"]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_an_agents_files_come_page_by_page_by_either_kind_of_cursor(client: Client, order: str) -> None:
    folder = a_folder(client)
    names = [f"docs/{number}.txt" for number in range(5)]
    for name in names:
        upload(client, folder, name, b"x")
    path = f"/agents/{attached(client, folder)}/files?limit=2&order={order}"
    expected = names if order == "asc" else names[::-1]
    for key in ("id", "file_id"):
        page, seen = send(client, "GET", path), []
        while True:
            seen += [one["file_name"] for one in page["files"]]
            if not page["has_more"]:
                break
            page = send(client, "GET", f"{path}&after={page['files'][-1][key]}")
        assert seen == expected
    middle = send(client, "GET", f"{path}&after={page['files'][-1]['id']}")
    assert middle == {"files": [], "next_cursor": None, "has_more": False}
    last = send(client, "GET", path.replace("limit=2", "limit=5"))["files"][-1]
    before = send(client, "GET", f"{path}&before={last['id']}")
    assert ([one["file_name"] for one in before["files"]], before["has_more"]) == (expected[2:4], True)
    assert before["next_cursor"] == before["files"][0]["id"]


def test_lists_ask_the_database_the_same_few_questions_however_long_they_are(client: Client) -> None:
    folder = a_folder(client)
    agent = attached(client, folder)
    paths = ["/folders/", f"/folders/{folder['id']}/files", f"/folders/{folder['id']}/agents"]
    paths += [f"/agents/{agent}/files", f"/agents/{agent}/folders", "/agents/"]
    paths += ["/folders/metadata?include_detailed_per_source_metadata=true"]

    def ask() -> list[int]:
        return [queries_of(lambda path=path: send(client, "GET", path)) for path in paths]  # type: ignore[misc]

    one = upload(client, folder, "first.txt", b"x")
    send(client, "PATCH", f"/agents/{agent}/files/{one['id']}/open")
    before = ask()
    for number in range(6):
        sent = upload(client, folder, f"{number}.txt", b"x")
        send(client, "PATCH", f"/agents/{agent}/files/{sent['id']}/open")
        attached(client, folder, other := a_folder(client, f"folder {number}"))
        send(client, "PATCH", f"/agents/{agent}/folders/attach/{other['id']}")
    assert ask() == before


def test_older_clients_call_folders_sources(client: Client) -> None:
    made = send(client, "POST", "/sources/", {"name": "old"})
    agent = an_agent("Reader")
    assert send(client, "GET", f"/sources/{made['id']}/files") == []
    send(client, "PATCH", f"/agents/{agent.pk}/sources/attach/{made['id']}")
    assert [one["id"] for one in send(client, "GET", f"/agents/{agent.pk}/sources")] == [made["id"]]
