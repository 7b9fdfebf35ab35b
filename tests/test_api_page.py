"""The OpenAPI page in a browser: it works from bundled files under the strict content security policy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import need
from tests.server_fixtures import TandemServer

pytestmark = pytest.mark.browser


@pytest.fixture
def browser() -> Iterator[Browser]:
    path = need("chromium", "the page is looked at in it")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


def test_the_page_lists_the_api_and_breaks_no_policy(browser: Browser, server: TandemServer) -> None:
    page = browser.new_page()
    complaints: list[str] = []
    foreign: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: foreign.append(request.url) if not _is_ours(request.url, server) else None)
    page.goto(f"{server.url}/v1/docs")
    page.get_by_text("/v1/agents/{agent_id}/messages/cancel").wait_for()
    assert (complaints, foreign) == ([], [])


def _is_ours(url: str, server: TandemServer) -> bool:
    return url.startswith((server.url, "data:"))
