"""The main job in Chromium, by visible labels only: two switches, each kept, told to the SDK, and heeded by the next batch."""

from __future__ import annotations

import pytest
from letta_client import Letta
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser_pages import api, open_page
from tests.server_fixtures import TandemServer

pytest_plugins = ["tests.browser_pages"]
pytestmark = [pytest.mark.browser, pytest.mark.sdk, pytest.mark.timeout(240)]

NAME, AGENT = "look_around", "Switched"
SOURCE = f'''
def {NAME}(topic: str = "tides") -> str:
    """Look around.

    Args:
        topic: What for.
    """
    return topic
'''
ASKED = f'{NAME}(topic="a") {NAME}(topic="b")'


@pytest.fixture(scope="module")
def agent_id(server: TandemServer) -> str:
    """An agent with one tool and both switches as they are for everything new: off."""
    tool = api(server, "tools/", {"source_code": SOURCE})
    return str(api(server, "agents/", {"name": AGENT, "model": "demo/planner", "tool_ids": [tool["id"]]})["id"])


@pytest.fixture
def sdk(server: TandemServer) -> Letta:
    return Letta(base_url=server.url, api_key=server.api_key)


def agent_page(visitor: BrowserContext, server: TandemServer) -> Page:
    page = open_page(visitor, f"{server.url}/agents/")
    page.get_by_role("link", name=AGENT).first.click()
    return page


def left_column(page: Page) -> Locator:
    """Where the switches are. The Simulator beside it names the same tools as soon as it has loaded."""
    return page.get_by_role("complementary", name="Configuration")


def agent_switch(page: Page) -> Locator:
    left_column(page).get_by_text("Settings", exact=True).first.click()
    expect(page.get_by_text("LLM Config", exact=True)).to_be_visible()
    return page.get_by_label("Parallel tool calls", exact=True)


def tool_switch(page: Page) -> Locator:
    left_column(page).get_by_text("Tools").first.click()
    left_column(page).get_by_role("link", name=NAME, exact=True).click()
    drawer = page.get_by_role("dialog")
    drawer.get_by_text("Settings", exact=True).click()
    return drawer.get_by_label("Enable parallel execution", exact=True)


def phases(sdk: Letta, agent_id: str, server: TandemServer) -> list[str]:
    """The modes of the phases of a batch of two calls, asked for now."""
    run = sdk.agents.messages.create_async(agent_id, messages=[{"role": "user", "content": ASKED}])
    with sdk.runs.messages.stream(run.id) as stream:
        for _ in stream:
            pass
    log = server.manage("shell", "-v", "0", "-c", PLAN % run.id)
    return log.split()


PLAN = """
from runs.models import RunEvent
for event in RunEvent.objects.filter(run_id=%r, type="batch.planned"):
    print(*(phase["mode"] for phase in event.data["phases"]))
"""


def test_both_switches_are_kept_told_and_heeded(
    visitor: BrowserContext, server: TandemServer, agent_id: str, sdk: Letta
) -> None:
    page = agent_page(visitor, server)
    switch = agent_switch(page)
    expect(switch).not_to_be_checked()
    switch.click()
    expect(page.get_by_text("On: the model may ask for several tools at once")).to_be_visible()
    page.reload()
    expect(agent_switch(page)).to_be_checked()
    agent = sdk.agents.retrieve(agent_id)
    assert agent.llm_config.parallel_tool_calls is True
    assert phases(sdk, agent_id, server) == ["sequential", "sequential"]

    switch = tool_switch(page)
    expect(switch).not_to_be_checked()
    warning = "Only enable parallel execution for tools safe to run concurrently."
    expect(page.get_by_role("dialog").get_by_text(warning)).to_be_visible()
    with page.expect_response(lambda response: "/switch/" in response.url and response.ok):
        switch.click()
    page.reload()
    expect(page.get_by_label("Enable parallel execution", exact=True)).to_be_checked()
    (tool,) = list(sdk.tools.list(name=NAME))
    assert sdk.tools.retrieve(tool.id).enable_parallel_execution is True
    assert phases(sdk, agent_id, server) == ["parallel"]
