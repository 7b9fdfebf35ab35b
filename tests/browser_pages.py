"""Real pages in Chromium: one signed-in browser per test, and agents made through the API."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.conftest import need
from tests.server_fixtures import TandemServer

# As root it needs no-sandbox; the others keep it from looking for hosts of its own.
_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = need("chromium", "the pages are looked at in a real browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        yield browser
        browser.close()


@pytest.fixture
def visitor(chromium: Browser, server: TandemServer) -> Iterator[BrowserContext]:
    """A browser that has signed in. No page may break the security policy or throw."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    wrongs: list[str] = []
    context.on("weberror", lambda error: wrongs.append(str(error.error)))
    context.on("console", lambda message: _note(wrongs, message.text))
    page = context.new_page()
    page.goto(server.login_link())
    page.get_by_role("button").last.click()
    page.wait_for_url("**/agents/")
    page.close()
    yield context
    context.close()
    assert wrongs == []


def _note(wrongs: list[str], text: str) -> None:
    if "Content Security Policy" in text or "htmx:" in text:
        wrongs.append(text)


def api(server: TandemServer, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """POST to the API; its answer."""
    request = urllib.request.Request(
        f"{server.url}/v1/{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        found: dict[str, Any] = json.loads(answer.read())
        return found


def open_page(visitor: BrowserContext, url: str) -> Page:
    page = visitor.new_page()
    page.goto(url)
    return page
