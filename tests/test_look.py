"""The look: bundled assets are what VENDOR.md says, and every component is legible, quiet under the policy and works."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.browser_pages import chromium
from tests.gallery import STATES, gallery_html, open_gallery
from tests.pages import forbidden_in

__all__ = ["chromium"]

_ROOT = Path(__file__).parent.parent
_VENDOR = _ROOT / "static" / "vendor"


def test_every_bundled_file_is_the_one_that_the_vendor_page_names() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|.*`([0-9a-f]{64})` \|$", (_VENDOR / "VENDOR.md").read_text(), re.MULTILINE)
    named = dict(rows)
    found = {
        str(path.relative_to(_VENDOR)): sha256(path.read_bytes()).hexdigest()
        for path in _VENDOR.rglob("*")
        if path.suffix in {".js", ".css", ".svg", ".woff2"} and "build" not in path.parts
    }
    assert found == named


def test_no_asset_fetches_anything_from_another_host() -> None:
    for path in [*(_ROOT / "static").rglob("*.css"), *_VENDOR.glob("*.js")]:
        text = path.read_text()
        assert "sourceMappingURL" not in text, path
        if path.suffix == ".css":
            assert re.findall(r"url\(\s*[\"']?(?:https?:)?//[^)]*", text) == [], path


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (_VENDOR / "icons.svg").read_text()))
    named = {
        name
        for path in (_ROOT / "templates").rglob("*.html")
        for name in re.findall(r'icon\.html" with name="([a-z0-9-]+)"', path.read_text())
    }
    assert len(named) > 20
    assert named - sprite == set()


def test_every_state_and_both_modes_have_their_badge() -> None:
    html = gallery_html()
    assert forbidden_in(html) == []
    for state in STATES:
        assert f'class="state" data-state="{state}"' in html
    assert re.search(r"\d+ in parallel", html)
    assert "1 sequential" in html


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_gallery_is_accessible_and_keeps_to_the_policy(chromium: Browser, theme: str) -> None:
    page = open_gallery(chromium, theme)
    assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
    found = Axe().run(page).response["violations"]
    assert [rule["id"] for rule in found if rule["impact"] in {"serious", "critical"}] == []
    assert page.evaluate("window.violations") == []


@pytest.mark.browser
def test_nothing_is_wider_than_a_phone(chromium: Browser) -> None:
    page = open_gallery(chromium, "light", width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.fixture
def gallery(chromium: Browser) -> Page:
    return open_gallery(chromium, "light")


@pytest.mark.browser
def test_a_chosen_theme_survives_a_reload(gallery: Page) -> None:
    gallery.get_by_role("button", name="Theme").click()
    gallery.get_by_role("button", name="Theme").click()
    gallery.reload()
    assert gallery.evaluate("document.documentElement.dataset.bsTheme") == "dark"


@pytest.mark.browser
def test_undo_of_a_toast_works_while_a_dialog_is_open(gallery: Page) -> None:
    gallery.get_by_role("button", name="Open drawer").click()
    gallery.evaluate("htmx.trigger(document.body, 'toast', {text: 'Saved.', undo: '/undo/'})")
    with gallery.expect_request(lambda request: request.method == "POST" and request.url.endswith("/undo/")) as asked:
        gallery.get_by_role("button", name="Undo").click()
    assert "x-csrftoken" in asked.value.headers
    assert gallery.get_by_role("dialog").is_visible()


@pytest.mark.browser
def test_a_dangerous_button_asks_before_it_posts(gallery: Page) -> None:
    posts: list[str] = []
    gallery.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    gallery.get_by_text("Menu", exact=True).click()
    gallery.locator(".menu-list").get_by_role("button", name="Delete").click()
    question = gallery.get_by_role("dialog")
    question.get_by_role("button", name="Back").click()
    assert posts == []
    gallery.get_by_text("Menu", exact=True).click()
    gallery.locator(".menu-list").get_by_role("button", name="Delete").click()
    with gallery.expect_request(lambda request: request.method == "POST"):
        question.get_by_role("button", name="Delete").click()


@pytest.mark.browser
def test_the_editor_writes_back_into_its_field(gallery: Page) -> None:
    gallery.locator(".cm-content").click()
    gallery.keyboard.type("# typed here")
    assert "# typed here" in gallery.locator("#code-area").input_value()


@pytest.mark.browser
def test_a_morph_leaves_an_opened_call_open(gallery: Page) -> None:
    call = gallery.locator("#call-b")
    call.locator("summary").click()
    gallery.evaluate(
        "html => Idiomorph.morph(document.getElementById('call-b'), html)",
        '<details class="call" id="call-b" data-state="error" data-keep-open><summary>now failed</summary></details>',
    )
    assert call.get_attribute("data-state") == "error"
    assert call.evaluate("element => element.open") is True


@pytest.mark.browser
def test_keys_reach_the_search_and_the_help(gallery: Page) -> None:
    gallery.keyboard.press("Control+k")
    assert gallery.evaluate("document.activeElement.id") == "search"
    gallery.keyboard.press("Escape")
    gallery.keyboard.press("?")
    assert gallery.get_by_role("dialog", name="Keyboard shortcuts").is_visible()
