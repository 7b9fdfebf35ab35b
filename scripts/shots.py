"""Photographs every page in both themes, wide and narrow, into test-results/shots, and the README's pictures into docs/images.

Against the shipped server on an empty data directory, with the demo agent, a finished run and one that is under way.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from tests.server_fixtures import TandemServer

BASE = Path(__file__).resolve().parent.parent
SHOTS = BASE / "test-results" / "shots"
IMAGES = BASE / "docs" / "images"
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MESSAGE = "Look up tides on the web and in the database and send a message that you have started"
SURVEY = '''
import time


def survey_harbour(harbour: str, soundings: int = 40) -> str:
    """Sound a harbour's depth, one sounding after the other.

    Args:
        harbour: The harbour's name.
        soundings: How many soundings to take.
    """
    for number in range(1, soundings + 1):
        print(f"{harbour}, sounding {number}: {6 + number * 7 % 5 / 2:.1f} m", flush=True)
        time.sleep(1)
    return f"{harbour}: {soundings} soundings taken."
'''


@dataclass(frozen=True)
class Dashboard:
    """The server, and the ids of what there is to see on it."""

    server: TandemServer
    agent_id: str
    tool_id: str
    finished_run: str
    running_run: str


def ask(server: TandemServer, method: str, path: str, body: Any = None) -> Any:
    """One API request; the answer's JSON."""
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", data, headers, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=120) as answer:
        return json.load(answer)


@contextmanager
def furnished_server() -> Iterator[Dashboard]:
    """A server with everything there is to photograph."""
    with tempfile.TemporaryDirectory(prefix="tandem-shots-") as directory:
        server = TandemServer(Path(directory))
        server.manage("prepare")
        server.start()
        try:
            yield furnish(server)
        finally:
            server.stop()


def furnish(server: TandemServer) -> Dashboard:
    """A finished run of the demo agent, and one of another agent that goes on for a while."""
    (agent,) = ask(server, "GET", "/v1/agents/")
    ask(server, "POST", f"/v1/agents/{agent['id']}/messages", {"input": MESSAGE})
    (finished,) = ask(server, "GET", f"/v1/runs/?agent_id={agent['id']}")
    survey = ask(
        server,
        "POST",
        "/v1/tools/",
        {"source_code": SURVEY, "enable_parallel_execution": True, "timeout_seconds": 3600},
    )
    config = {"model": "demo/planner", "parallel_tool_calls": True}
    crew = ask(server, "POST", "/v1/agents/", {"name": "Survey crew", "llm_config": config, "tool_ids": [survey["id"]]})
    places = ("Norhaven", "Skerry Bay", "Port Alder")
    wanted = ", ".join(f'survey_harbour(harbour="{place}", soundings={600 + 60 * n})' for n, place in enumerate(places))
    running = ask(server, "POST", f"/v1/agents/{crew['id']}/messages/async", {"input": wanted})
    tool_id = next(tool["id"] for tool in agent["tools"] if tool["name"] == "search_web")
    return Dashboard(server, agent["id"], tool_id, finished["id"], running["id"])


def pages(shown: Dashboard) -> dict[str, str]:
    """Name and path of every page."""
    agent, tool = f"/agents/{shown.agent_id}/", f"/tools/{shown.tool_id}/"
    return {
        "agents": "/agents/",
        "agent-new": "/agents/new/",
        "agent": agent,
        **{f"agent-{tab}": f"{agent}?tab={tab}" for tab in ("settings", "tools", "rules")},
        "tools": "/tools/",
        "tool-new": "/tools/new/",
        **{f"tool-{tab}": f"{tool}?tab={tab}" for tab in ("code", "schema", "test", "settings")},
        "runs": "/runs/",
        "run-finished": f"/runs/{shown.finished_run}/",
        "run-running": f"/runs/{shown.running_run}/",
        **{name: f"/{name}/" for name in ("models", "activity", "settings")},
        "admin": "/admin/",
        "missing": "/agents/agent-none/",
    }


def sign_in(page: Page, server: TandemServer) -> None:
    """Through a link, as a person does."""
    page.goto(server.login_link().replace("localhost", "127.0.0.1"))
    if "/login/" in page.url:
        page.get_by_role("button").first.click()
    page.wait_for_url(f"{server.url}/agents/**")


def photograph_all(browser: Browser, shown: Dashboard) -> int:
    """Every page in every theme and size; how many pictures."""
    count = 0
    for theme in THEMES:
        for size, (width, height) in SIZES.items():
            context = browser.new_context(
                base_url=shown.server.url, color_scheme=theme, viewport={"width": width, "height": height}
            )
            page = context.new_page()
            page.goto("/login/")
            page.screenshot(path=SHOTS / f"login-{theme}-{size}.png")
            sign_in(page, shown.server)
            for name, path in pages(shown).items():
                page.goto(path)
                settle(page)
                page.screenshot(path=SHOTS / f"{name}-{theme}-{size}.png")
                count += 1
            context.close()
    return count


def settle(page: Page) -> None:
    """Until what the page loads by itself is there. A running run's page never falls silent, hence the limit."""
    page.wait_for_load_state("load")
    page.wait_for_timeout(700)


def photograph_main_job(browser: Browser, shown: Dashboard) -> None:
    """The README's pictures: the two switches, the batch while it runs, and the run afterwards."""
    for theme in THEMES:
        context = browser.new_context(
            base_url=shown.server.url, color_scheme=theme, viewport={"width": 1440, "height": 900}
        )
        page = context.new_page()
        sign_in(page, shown.server)
        page.goto(f"/tools/{shown.tool_id}/?tab=settings")
        settle(page)
        page.screenshot(path=IMAGES / f"tool-{theme}.png")
        page.goto(f"/runs/{shown.finished_run}/")
        settle(page)
        page.screenshot(path=IMAGES / f"run-{theme}.png")
        page.goto(f"/agents/{shown.agent_id}/")
        box = page.get_by_label("Message", exact=True)
        box.fill(MESSAGE)
        box.press("Enter")
        page.locator(".call[data-state=running][data-mode=parallel]").first.wait_for()
        # Both searches have begun, and their clocks show it.
        page.wait_for_timeout(400)
        page.screenshot(path=IMAGES / f"simulator-{theme}.png")
        page.wait_for_timeout(3000)
        context.close()


def main() -> int:
    """Take them all."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.stderr.write("There is no Chromium to look with. Install it: apt-get install chromium\n")
        return 1
    for folder in (SHOTS, IMAGES):
        folder.mkdir(parents=True, exist_ok=True)
    with furnished_server() as shown, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        photograph_main_job(browser, shown)
        count = photograph_all(browser, shown)
        browser.close()
    sys.stdout.write(f"{count} pictures in {SHOTS.relative_to(BASE)}, the README's in {IMAGES.relative_to(BASE)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
