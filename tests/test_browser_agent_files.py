"""An agent leaves one page as a file and comes in on another, in Chromium; the SDK reads and writes the same file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from letta_client import BadRequestError, Letta
from playwright.sync_api import BrowserContext, expect

from tests.browser_pages import api, open_page
from tests.server_fixtures import TandemServer

pytest_plugins = ["tests.browser_pages"]
pytestmark = [pytest.mark.browser, pytest.mark.sdk, pytest.mark.timeout(240)]


@pytest.fixture
def sdk(server: TandemServer) -> Letta:
    return Letta(base_url=server.url, api_key=server.api_key)


def test_an_agent_leaves_one_page_and_comes_in_on_another(
    visitor: BrowserContext, server: TandemServer, tmp_path: Path
) -> None:
    api(server, "agents/", {"name": "Traveller", "model": "demo/planner", "system": "Be brief."})
    page = open_page(visitor, f"{server.url}/agents/")
    page.get_by_role("link", name="Traveller").first.click()
    page.get_by_role("complementary", name="Configuration").get_by_text("Export", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Export agent").click()
    assert download.value.suggested_filename == "Traveller.af"
    path = tmp_path / "Traveller.af"
    download.value.save_as(path)

    page.goto(f"{server.url}/agents/")
    page.get_by_role("button", name="Import").click()
    dialog = page.get_by_role("dialog", name="Import agent")
    dialog.get_by_label("Agent file").set_input_files(path)
    dialog.get_by_label("Name").fill("Arrived")
    dialog.get_by_label("Model").fill("nonsense")
    dialog.get_by_role("button", name="Import agent").click()
    expect(dialog.get_by_text('A model is written "provider/model"')).to_be_visible()
    # A browser keeps no file in a form that comes back.
    dialog.get_by_label("Agent file").set_input_files(path)
    dialog.get_by_label("Model").fill("")
    dialog.get_by_role("button", name="Import agent").click()
    expect(page.get_by_text("Agent Arrived imported")).to_be_visible()
    expect(page.get_by_label("System instructions")).to_have_value("Be brief.")


def test_the_sdk_takes_a_file_out_and_in(sdk: Letta) -> None:
    agent = sdk.agents.create(
        name="Sam", model="demo/planner", memory_blocks=[{"label": "human", "value": "Ada"}], tags=["x"]
    )
    text = sdk.agents.export_file(agent.id)
    assert json.loads(text)["agents"][0]["name"] == "Sam"
    made = sdk.agents.import_file(file=("sam.af", text.encode()), name="Eve", strip_messages=True, secrets='{"A": "b"}')
    eve = sdk.agents.retrieve(made.agent_ids[0], include=["agent.secrets"])
    assert (eve.name, eve.tags, eve.blocks[0].value) == ("Eve", ["x"], "Ada")
    assert [(one.key, one.value) for one in eve.secrets or []] == [("A", "b")]
    with pytest.raises(BadRequestError, match="no JSON"):
        sdk.agents.import_file(file=b"{")


def test_the_sdk_pages_through_agents_blocks_and_tags(sdk: Letta) -> None:
    blocks = [sdk.blocks.create(label="note", value=str(number), tags=["paged"]) for number in range(5)]
    assert [block.value for block in sdk.blocks.list(tags=["paged"], limit=2)] == ["0", "1", "2", "3", "4"]
    agents = [sdk.agents.create(model="demo/planner", tags=["paged"], block_ids=[blocks[0].id]) for _ in range(3)]
    assert [one.id for one in sdk.agents.list(tags=["paged"], limit=1, order="asc")] == [one.id for one in agents]
    assert {one.id for one in sdk.blocks.agents.list(blocks[0].id, limit=2)} == {one.id for one in agents}
    assert "paged" in sdk.tags.list(name="page")
    assert sdk.agents.blocks.detach(blocks[0].id, agent_id=agents[0].id).blocks == []
    assert sdk.agents.recompile(agents[1].id).startswith('"')
    assert [found.tool.name for found in sdk.tools.search(query="conversation search", limit=1)] == [
        "conversation_search"
    ]
