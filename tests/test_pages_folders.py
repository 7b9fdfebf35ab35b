"""The pages of folders and the Files panel of the agent page."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from access.models import Activity
from folders.models import File, FileAgent, Folder, FolderAgent
from tests.documents import pdf
from tests.pages import forbidden_in, htmx, signed_in, text_of, toast_of
from tests.stored_files import a_folder, a_reader, open_names

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    return signed_in()


def verbs() -> set[str]:
    return set(Activity.objects.filter(person__username="nadia").values_list("verb", flat=True))


def test_the_list_shows_folders_with_what_is_in_them_and_finds_them(browser: Client) -> None:
    assert "No folders yet" in text_of(browser.get("/folders/"))
    folder = a_folder("handbook", {"a.txt": "x" * 2_000, "b.txt": "y"}, description="How we <work>")
    a_folder("papers")
    a_reader(folder)
    html = text_of(browser.get("/folders/"))
    assert "How we &lt;work&gt;" in html
    assert "2.0\xa0KB" in html
    assert '<a class="rail-item" href="/folders/" aria-current="page">' in html
    assert forbidden_in(html) == []
    found = text_of(browser.get("/folders/?q=pap", headers=htmx("folder-table")))
    assert "papers" in found
    assert "handbook" not in found
    assert "<html" not in found


def test_a_folder_is_made_changed_and_deleted(browser: Client) -> None:
    assert browser.get("/folders/new/").status_code == 200
    made = browser.post("/folders/new/", {"name": "handbook", "instructions": "Cite."})
    folder = Folder.objects.get()
    assert made["Location"] == f"/folders/{folder.pk}/"
    twice = browser.post("/folders/new/", {"name": "handbook"}, headers=htmx("folder-form"))
    assert (twice.status_code, "already a folder called handbook" in text_of(twice)) == (422, True)
    browser.post(f"/folders/{folder.pk}/change/", {"name": "rules", "instructions": "Cite."})
    folder.refresh_from_db()
    assert (folder.name, folder.instructions) == ("rules", "Cite.")
    refused = browser.post(f"/folders/{folder.pk}/change/", {"name": "a/b"}, headers=htmx("folder-about"))
    assert (refused.status_code, "no slash" in text_of(refused)) == (422, True)
    assert browser.post(f"/folders/{folder.pk}/delete/")["Location"] == "/folders/"
    assert not Folder.objects.exists()
    assert verbs() == {"created", "changed", "deleted"}


def test_files_are_uploaded_together_and_what_cannot_be_read_is_told(browser: Client) -> None:
    folder = a_folder()
    files = [
        SimpleUploadedFile("a.txt", b"Alpha <b>"),
        SimpleUploadedFile("p.png", b"\x89PNG\0\0\0"),
        SimpleUploadedFile("paper.pdf", pdf("Whales")),
    ]
    answer = browser.post(f"/folders/{folder.pk}/upload/", {"file": files}, headers=htmx("folder-files"))
    html = text_of(answer)
    assert toast_of(answer)["text"] == "2 files added"
    assert "p.png: No text can be read" in html
    assert 'hx-trigger="load delay:2s"' in html
    assert "waiting" in html
    page = text_of(browser.get(f"/folders/{folder.pk}/"))
    assert forbidden_in(page) == []
    assert "paper.pdf" in page
    file = File.objects.get(file_name="a.txt")
    drawer = text_of(browser.get(f"/folders/{folder.pk}/files/{file.pk}/", headers=htmx("drawer-body")))
    assert "Alpha &lt;b&gt;" in drawer
    assert "<html" not in drawer
    assert forbidden_in(text_of(browser.get(f"/folders/{folder.pk}/files/{file.pk}/"))) == []
    gone = browser.post(f"/folders/{folder.pk}/files/{file.pk}/delete/", headers=htmx("folder-files"))
    assert toast_of(gone)["text"] == "a.txt deleted"
    assert "a.txt" not in text_of(gone)


def test_an_upload_works_without_javascript_and_without_a_file_says_so(browser: Client) -> None:
    folder = a_folder()
    path = f"/folders/{folder.pk}/upload/"
    assert browser.post(path, {"file": SimpleUploadedFile("a.txt", b"x")})["Location"] == f"/folders/{folder.pk}/"
    assert toast_of(browser.post(path, {}, headers=htmx("folder-files")))["text"] == "Choose a file first"


def test_a_very_long_text_is_not_shown_whole(browser: Client) -> None:
    folder = a_folder("docs", {"long.txt": "word " * 40_000})
    page = browser.get(f"/folders/{folder.pk}/files/{File.objects.get().pk}/")
    assert len(page.content) < 120_000
    assert "Only the start is shown" in text_of(page)


def test_a_page_that_names_nothing_is_not_found(browser: Client) -> None:
    folder = a_folder()
    for path in ("/folders/nothing/", f"/folders/{folder.pk}/files/nothing/", "/folders/of/nothing/"):
        assert browser.get(path).status_code == 404


def test_an_agent_gets_a_folder_and_its_files_are_opened_and_closed(browser: Client) -> None:
    folder = a_folder("docs", {"a.txt": "Alpha", "b.txt": "Beta"})
    agent = a_reader(max_files_open=1)
    path = f"/folders/of/{agent.pk}"
    assert f'hx-get="{path}/"' in text_of(browser.get(f"/agents/{agent.pk}/"))
    attached = browser.post(f"{path}/attach/", {"folder_id": folder.pk}, headers=htmx("agent-files"))
    assert toast_of(attached)["text"] == "docs attached"
    assert "tool-changed" in attached["HX-Trigger"]
    first, second = File.objects.order_by("file_name")
    browser.post(f"{path}/{first.pk}/open/", headers=htmx("agent-files"))
    opened = browser.post(f"{path}/{second.pk}/open/", headers=htmx("agent-files"))
    assert toast_of(opened)["text"] == "b.txt opened; docs/a.txt closed"
    assert "1 of at most 1 files open" in text_of(opened)
    assert open_names(agent) == ["b.txt"]
    browser.post(f"{path}/{second.pk}/close/", headers=htmx("agent-files"))
    assert open_names(agent) == []
    browser.post(f"{path}/{first.pk}/open/")
    assert toast_of(browser.post(f"{path}/close-all/", headers=htmx("agent-files")))["text"] == "1 file closed"
    html = text_of(browser.get(f"{path}/"))
    assert forbidden_in(html) == []
    browser.post(f"{path}/{folder.pk}/detach/", headers=htmx("agent-files"))
    assert not FolderAgent.objects.exists()
    assert {"attached a folder", "opened files", "closed files", "detached a folder"} <= verbs()


def test_a_file_that_is_not_ready_cannot_be_opened_from_the_page(browser: Client) -> None:
    folder = a_folder()
    browser.post(f"/folders/{folder.pk}/upload/", {"file": SimpleUploadedFile("p.pdf", pdf("Whales"))})
    agent = a_reader(folder)
    file = File.objects.get()
    refused = browser.post(f"/folders/of/{agent.pk}/{file.pk}/open/", headers=htmx("agent-files"))
    assert (toast_of(refused)["tone"], "still being read" in toast_of(refused)["text"]) == ("bad", True)
    assert not FileAgent.objects.filter(is_open=True).exists()


def test_every_table_of_folders_can_be_looked_at_in_the_admin(browser: Client) -> None:
    a_reader(a_folder("docs", {"a.txt": "Alpha"}))
    for name in ("folder", "folderagent", "file", "fileagent", "upload", "piece"):
        assert browser.get(f"/admin/folders/{name}/").status_code == 200
