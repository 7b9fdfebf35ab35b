"""The live viewer and the Simulator in Chromium, against the shipped command."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect

from runs import viewer
from runs.picture import RunPicture
from runs.viewer import delta_frame, frame
from tests.browser_pages import api, open_page
from tests.run_logs import RunLog
from tests.server_fixtures import TandemServer

pytest_plugins = ["tests.browser_pages"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

QUICK, SLOW, FIRST, RISKY = "glance_at_web", "dig_in_archive", "announce_start", "sink_ship"

SOURCE = '''
def {name}(topic: str = "tides") -> str:
    """{doc}

    Args:
        topic: What about.
    """
    import time
    for number in range({rounds}):
        print(f"{name} line {{number}}", flush=True)
        time.sleep(0.25)
    return "{name} is done"
'''


@pytest.fixture(scope="module")
def agent_id(server: TandemServer) -> str:
    """An agent whose tools take a second or less and some eight seconds; one needs approval, one is sequential."""
    tools = {
        QUICK: ("Glance at the web.", 3, {"enable_parallel_execution": True}),
        SLOW: ("Dig in the archive.", 32, {"enable_parallel_execution": True}),
        FIRST: ("Announce the start.", 1, {}),
        RISKY: ("Sink a ship.", 1, {"enable_parallel_execution": True, "default_requires_approval": True}),
    }
    ids = []
    for name, (doc, rounds, fields) in tools.items():
        source = SOURCE.format(name=name, doc=doc, rounds=rounds)
        ids.append(api(server, "tools/", {"source_code": source, **fields})["id"])
    config = {"model": "demo/planner", "parallel_tool_calls": True}
    return str(api(server, "agents/", {"name": "Watcher", "llm_config": config, "tool_ids": ids})["id"])


def simulator(visitor: BrowserContext, server: TandemServer, agent_id: str) -> Page:
    page = open_page(visitor, f"{server.url}/agents/{agent_id}/")
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    return page


def send(page: Page, text: str) -> str:
    """Send a message; the id of its run."""
    box = page.get_by_label("Message", exact=True)
    expect(box).to_be_visible()  # the conversation comes with it; before that there is nothing to count
    before = page.locator(".chat-run").count()
    box.fill(text)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator(".chat-run")).to_have_count(before + 1)
    run_id = page.locator(".chat-run").last.get_attribute("data-run")
    assert run_id
    return run_id


def run_page(visitor: BrowserContext, server: TandemServer, run_id: str) -> Page:
    return open_page(visitor, f"{server.url}/runs/{run_id}/")


def picture(page: Page) -> list[str]:
    """What the run page shows of the run: its tree, its timeline with every bar, its log."""
    expect(page.locator("#run-summary")).not_to_have_attribute("data-live", "", timeout=60_000)
    shown: list[str] = page.evaluate(
        """() => ["#steps", "#timeline-steps", "#log", "#run-summary .stats"].map((where) =>
             document.querySelector(where).innerText.replace(/\\s+/g, " ")).concat(
             [...document.querySelectorAll("#timeline rect")].map((bar) => [bar.getAttribute("class"),
               bar.dataset.from, bar.dataset.to, Number.parseFloat(bar.getAttribute("x")).toFixed(1)].join(" ")))"""
    )
    return shown


@pytest.fixture(autouse=True)
def _nothing_left(server: TandemServer, agent_id: str, visitor: BrowserContext) -> None:
    """Tests share the agent: what an earlier one left running would keep this one waiting."""
    page = simulator(visitor, server, agent_id)
    page.wait_for_function("() => !document.querySelector('.sim [data-live]')", timeout=60_000)
    page.close()


def test_the_run_page_shows_a_return_and_lines_while_the_batch_still_runs(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    chat = simulator(visitor, server, agent_id)
    page = run_page(visitor, server, send(chat, f"Use {QUICK} and {SLOW} and {FIRST}"))
    page.locator("#timeline .tlv-row", has_text=SLOW).click()
    row = page.locator('#timeline .tlv-row[data-state="running"]', has_text=SLOW)
    expect(page.locator("#inspector pre.output")).to_contain_text(f"{SLOW} line 4", timeout=30_000)
    expect(page.locator('#steps .step-call[data-state="success"]', has_text=QUICK)).to_be_visible()
    expect(row).to_be_visible()
    card = chat.locator(".chat-run").last
    expect(card.locator('.call[data-state="success"]', has_text=QUICK).locator(".call-preview")).to_contain_text("done")
    expect(card.locator('.call[data-state="running"] pre.output', has_text=f"{SLOW} line")).to_have_count(1)
    heads = card.locator(".phase-head").all_inner_texts()
    assert [re.sub(r"\s+", " ", head).split(" ")[:2] for head in heads] == [["1", "sequential"], ["2", "in"]]
    expect(page.get_by_text("Contract holds")).to_be_visible(timeout=60_000)
    expect(page.locator("#conn")).to_have_text("ended")
    expect(chat.locator(".chat-run").last.locator(".bubble[data-role=assistant]").last).to_contain_text(SLOW)


def test_every_run_of_a_conversation_shows_its_lines_while_they_come_without_opening_a_call(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    chat = simulator(visitor, server, agent_id)
    for _ in range(2):  # the first run's lines are still on the page when the second's come
        send(chat, f"Use {SLOW}")
        call = chat.locator(".chat-run").last.locator('.call[data-state="running"]', has_text=SLOW)
        line = call.locator("[data-last-line]")
        expect(line).to_contain_text(f"{SLOW} line", timeout=30_000)
        expect(line).not_to_have_text(line.inner_text())
        expect(chat.locator(".sim [data-live]")).to_have_count(0, timeout=60_000)


def test_reload_in_the_middle_and_a_second_browser_end_with_the_same_picture(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    run_id = send(simulator(visitor, server, agent_id), f"Use {QUICK} and {SLOW} and {FIRST}")
    page, other = run_page(visitor, server, run_id), run_page(visitor, server, run_id)
    expect(page.locator('#timeline .tlv-row[data-state="running"]', has_text=SLOW)).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.locator('#timeline .tlv-row[data-state="running"]', has_text=SLOW)).to_be_visible()
    live = picture(page)
    assert live == picture(other)
    assert live == picture(run_page(visitor, server, run_id)), "a page that is opened afterwards shows the same"


def test_a_cut_socket_comes_back_and_misses_nothing(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    run_id = send(simulator(visitor, server, agent_id), f"Use {QUICK} and {SLOW}")
    page = visitor.new_page()
    wire = Wire(page)
    page.goto(f"{server.url}/runs/{run_id}/")
    expect(page.locator("#conn")).to_have_text("live")
    wire.cut()
    expect(page.locator("#conn")).to_have_attribute("data-conn", "reconnecting")
    seen = page.locator("#log .log-row").count()
    whole = run_page(visitor, server, run_id)
    expect(whole.locator(f"#log .log-row:nth-child({seen + 4})")).to_be_attached(timeout=30_000)
    assert page.locator("#log .log-row").count() == seen, "nothing came while it was cut"
    wire.mend()
    expect(page.locator("#conn")).to_contain_text("caught up", timeout=30_000)
    assert picture(page) == picture(whole)


class Wire:
    """The run socket of a page, which can be cut and mended."""

    def __init__(self, page: Page) -> None:
        self._open: list[WebSocketRoute] = []
        self._is_cut = False
        page.route_web_socket(re.compile("/ws/runs/"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        if self._is_cut:
            socket.close(code=1001)
            return
        socket.connect_to_server()
        self._open.append(socket)

    def cut(self) -> None:
        self._is_cut = True
        for socket in self._open:
            socket.close(code=1001)

    def mend(self) -> None:
        self._is_cut = False


def test_held_calls_are_decided_in_place_and_the_batch_goes_on(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    chat = simulator(visitor, server, agent_id)
    send(chat, f"Use {RISKY} and {QUICK}")
    form = chat.locator("form.approval")
    expect(form).to_be_visible(timeout=30_000)
    expect(chat.locator(".chat-run").last.locator('.call[data-state="held"]')).to_have_count(2)
    chat.get_by_label("Message", exact=True).fill("Are you there?")
    chat.get_by_role("button", name="Send", exact=True).click()
    expect(chat.get_by_role("alert")).to_contain_text("Approve or deny")
    expect(chat.get_by_label("Message", exact=True)).to_have_value("Are you there?")
    form.get_by_text("Deny", exact=True).click()
    form.get_by_label(f"Reason for {RISKY}").fill("she is a fine ship")
    form.get_by_role("button", name="Send decision").click()
    goes_on = chat.locator(".chat-run").last
    expect(goes_on.locator('.call[data-state="denied"]')).to_contain_text("she is a fine ship", timeout=30_000)
    expect(goes_on.locator('.call[data-state="success"]', has_text=QUICK)).to_be_visible(timeout=30_000)
    expect(chat.locator("form.approval")).to_have_count(0)


def test_stop_ends_everything_and_each_call_says_what_became_of_it(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    chat = simulator(visitor, server, agent_id)
    send(chat, f"Use {SLOW} and {QUICK}")
    running = chat.locator(".chat-run").last.locator('.call[data-state="running"]', has_text=SLOW)
    expect(running).to_be_visible(timeout=30_000)
    waiting = send(chat, f"Use {QUICK}")
    expect(chat.locator(f"#chat-{waiting}")).to_contain_text("in line: an agent has one run at a time")
    chat.get_by_role("button", name="Stop", exact=True).click()
    chat.locator("#confirm").get_by_role("button", name="Stop").click()
    stopped = chat.locator('.call[data-state="cancelled"]', has_text=SLOW).last
    expect(stopped).to_contain_text("Cancelled", timeout=30_000)
    expect(chat.locator(f"#chat-status-{waiting}")).to_contain_text("cancelled", timeout=30_000)
    expect(chat.get_by_role("button", name="Stop", exact=True)).to_be_hidden()


def test_the_viewer_is_used_by_keyboard(visitor: BrowserContext, server: TandemServer, agent_id: str) -> None:
    chat = simulator(visitor, server, agent_id)
    page = run_page(visitor, server, send(chat, f"Use {QUICK} and {FIRST}"))
    picture(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#inspector h2")).to_have_text(FIRST)
    assert "?at=" in page.url
    page.keyboard.press("/")
    page.keyboard.type("glance")
    expect(page.locator("#timeline .tlv-row:visible")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#inspector h2")).to_have_text("Conversation")
    page.keyboard.press("f")
    expect(page.get_by_text("No call of this run has failed.")).to_be_visible()


def test_without_javascript_the_page_is_whole(visitor: BrowserContext, server: TandemServer, agent_id: str) -> None:
    run_id = send(simulator(visitor, server, agent_id), f"Use {QUICK} and {FIRST}")
    picture(run_page(visitor, server, run_id))
    plain = visitor.browser.new_context(java_script_enabled=False, storage_state=visitor.storage_state())  # type: ignore[union-attr]
    page = plain.new_page()
    page.goto(f"{server.url}/runs/{run_id}/")
    expect(page.locator("#timeline rect.tl-run")).to_have_count(2)
    expect(page.get_by_text("Contract holds")).to_be_visible()
    page.locator("#timeline .tlv-row", has_text=QUICK).click()
    expect(page.locator("#inspector h2")).to_have_text(QUICK)
    plain.close()


def test_streamed_pieces_are_dropped_on_a_retry_and_replaced_by_the_answer(
    visitor: BrowserContext, server: TandemServer, agent_id: str
) -> None:
    """The run's socket is played by the test, so that each piece comes exactly when it is to."""
    sockets: list[WebSocketRoute] = []
    chat = visitor.new_page()
    chat.route_web_socket(re.compile("/ws/runs/"), lambda socket: sockets.append(socket))
    chat.goto(f"{server.url}/agents/{agent_id}/")
    run_id = send(chat, "Hello")
    chat.wait_for_timeout(200)
    log = RunLog(run_id).starts().asks_model().retries_model().answers(text="**Tides** fall again.").ends()
    so_far = RunPicture(run_id)
    told = [json.dumps(frame(row, so_far, viewer.Page.CHAT)) for row in log.rows]
    pieces = chat.locator(f"#chat-{run_id} [data-stream-kind=text]")
    for message in (
        *told[:2],
        _piece(1, 2, "Tides "),
        _piece(2, 2, "rise"),
        _piece(2, 2, "rise"),
        _piece(3, 3, "Tides fall"),
    ):
        sockets[0].send(message)
    expect(pieces).to_have_text("Tides rise")
    sockets[0].send(told[2])
    expect(pieces).to_have_text("Tides fall")
    expect(chat.locator(f"#chat-{run_id}")).to_contain_text("Asked the model again")
    for message in told[3:]:
        sockets[0].send(message)
    expect(chat.locator(f"#chat-{run_id} strong", has_text="Tides")).to_be_visible()
    expect(pieces).to_have_count(0)


def _piece(delta_seq: int, after_seq: int, text: str) -> str:
    return json.dumps(delta_frame(delta_seq, after_seq=after_seq, step_id="step-1", kind="text", text=text, call=None))
