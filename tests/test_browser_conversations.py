"""Conversations in the Simulator, in Chromium, against the shipped command."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser_pages import api, open_page
from tests.server_fixtures import TandemServer

pytest_plugins = ["tests.browser_pages"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]


def send(page: Page, text: str) -> None:
    before = page.locator(".chat-run").count()
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".chat-run")).to_have_count(before + 1)
    expect(page.locator(".chat-run").last.locator(".bubble[data-role=assistant]")).to_be_visible(timeout=60_000)


def test_a_conversation_is_begun_spoken_in_and_left(visitor: BrowserContext, server: TandemServer) -> None:
    agent_id = api(server, "agents/", {"name": "Talker", "model": "demo/planner"})["id"]
    page = open_page(visitor, f"{server.url}/agents/{agent_id}/")
    choice = page.get_by_label("Conversation", exact=True)
    expect(choice).to_have_value("")
    send(page, "said in its own history")
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".chat-run")).to_have_count(0)
    begun = choice.input_value()
    assert begun.startswith("conv-")
    send(page, "said aside")
    choice.select_option("")
    expect(page.locator("#conversation")).to_contain_text("said in its own history")
    expect(page.locator("#conversation")).not_to_contain_text("said aside")
    # What others say in the other conversation does not come into this one; what they say here does.
    for conversation, text in ((begun, "aside from elsewhere"), (agent_id, "own from elsewhere")):
        api(server, f"conversations/{conversation}/messages", {"input": text, "streaming": False})
    expect(page.locator("#conversation")).to_contain_text("own from elsewhere", timeout=30_000)
    expect(page.locator("#conversation")).not_to_contain_text("aside")
    choice.select_option(begun)
    expect(page.locator("#conversation")).to_contain_text("aside from elsewhere")
