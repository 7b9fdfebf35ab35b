"""The Dependencies tab, and calls of tools with packages of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient
from pytest_django import Settings

from access.models import Activity, Person
from sandbox.specs import Outcome, OutputStream, SandboxUnavailable
from tests.pages import a_tool, htmx, seed_actor, signed_in, text_of
from tests.sandboxes import eventually
from tools.library import ToolProblem, create_tool
from tools.models import Tool
from tools.sandboxes import sandboxes
from tools.toolbox import run_source

pytestmark = pytest.mark.django_db(transaction=True)

LOOK = '''def look(loud: bool = True) -> str:
    """Look at the lantern.

    Args:
        loud: Whether to say so.
    """
    import lantern
    return lantern.colour()
'''


@pytest.fixture(autouse=True)
def _own_data_directory(settings: Settings, tmp_path: Path) -> None:
    settings.ADE_DATA_DIR = tmp_path / "data"


def look_tool(*requirements: dict[str, str | None]) -> Tool:
    return create_tool(seed_actor(), source_code=LOOK, fields={"pip_requirements": list(requirements)})


def test_packages_are_saved_as_a_tool_keeps_them_and_shown_as_people_write_them() -> None:
    tool, browser = a_tool(), signed_in()
    answer = browser.post(
        f"/tools/{tool.pk}/dependencies/", {"requirements": "six==1.16\r\nhttpx >= 0.27\r\n"}, headers=htmx("tool-body")
    )
    tool.refresh_from_db()
    assert answer.status_code == 200
    assert tool.pip_requirements == [{"name": "six", "version": "1.16"}, {"name": "httpx", "version": ">=0.27"}]
    assert Activity.objects.filter(target_id=tool.pk, verb="changed").exists()
    html = text_of(browser.get(f"/tools/{tool.pk}/?tab=dependencies"))
    assert "six==1.16\nhttpx&gt;=0.27</textarea>" in html
    assert "not built" in html
    assert "Build now" in html


def test_what_is_no_package_is_refused_and_what_was_typed_stays() -> None:
    tool, browser = a_tool(), signed_in()
    answer = browser.post(
        f"/tools/{tool.pk}/dependencies/", {"requirements": "-r /etc/passwd"}, headers=htmx("tool-body")
    )
    tool.refresh_from_db()
    assert answer.status_code == 422
    assert "is no requirement" in text_of(answer)
    assert "-r /etc/passwd</textarea>" in text_of(answer)
    assert tool.pip_requirements is None


def test_the_library_refuses_what_pip_should_not_be_told() -> None:
    with pytest.raises(ToolProblem, match=r"pip_requirements: .* is no requirement"):
        look_tool({"name": "--index-url=x", "version": None})


async def test_build_now_installs_the_packages(index: Path) -> None:
    tool = await sync_to_async(look_tool)({"name": "lantern", "version": "1.0"})
    browser = AsyncClient()
    await browser.aforce_login(await Person.objects.acreate(username="nadia"))

    answer = await browser.post(f"/tools/{tool.pk}/environment/build/", headers=htmx("environment"))

    assert "building" in text_of(answer)
    assert 'hx-trigger="every 1s"' in text_of(answer)
    where = f"/tools/{tool.pk}/environment/"
    texts = [text_of(await browser.get(where, headers=htmx("environment")))]
    while "building" in texts[-1]:
        texts.append(text_of(await browser.get(where, headers=htmx("environment"))))
    assert "Environment: ready" in texts[-1]
    assert "Successfully installed lantern-1.0" in texts[-1]
    assert "hx-trigger" not in texts[-1]


async def test_the_first_call_installs_and_tells_how_it_goes(index: Path) -> None:
    tool = await sync_to_async(look_tool)({"name": "lantern", "version": "2.0"})
    pieces: list[tuple[OutputStream, str]] = []
    try:
        first = await run_source(tool, {}, lambda stream, text: pieces.append((OutputStream(stream), text)))
        second = await run_source(tool, {}, None)
        assert await eventually(lambda: sandboxes().pools()[1].is_up)
    finally:
        await sandboxes().close()

    assert (first.outcome, first.text, second.text) == (Outcome.SUCCESS, "green", "green")
    assert pieces[0] == (OutputStream.STDERR, "Making an environment for lantern==2.0\n")
    assert "Successfully installed lantern-2.0" in first.stderr
    assert second.stderr == ""


async def test_packages_that_do_not_exist_are_the_calls_error(index: Path) -> None:
    tool = await sync_to_async(look_tool)({"name": "nosuchpackage", "version": None})
    with pytest.raises(SandboxUnavailable, match="No matching distribution found for nosuchpackage"):
        await run_source(tool, {}, None)
    await sandboxes().close()
