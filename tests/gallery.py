"""The gallery of components, filled with one example of each state, and shown in Chromium without a server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from mimetypes import guess_type
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils import timezone
from playwright.sync_api import Browser, Page, Route

STATES = (
    *("queued", "waiting", "running", "success", "error", "timeout"),
    *("denied", "held", "cancelled", "interrupted", "skipped"),
)
_STATIC = Path(__file__).parent.parent / "static"
_ORIGIN = "http://gallery.invalid"
_NONCE = "gallery-nonce"
_POLICY = (
    f"default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{_NONCE}'; img-src 'self' data:; object-src 'none'"
)
_CODE = '''def search_web(query: str, limit: int = 5) -> list[str]:
    """Look something up.

    Args:
        query: what to look for.
    """
    return [page["title"] for page in CORPUS if query in page["text"]][:limit]
'''


class ExampleForm(forms.Form):
    """A field with help, a choice, an optional one and one in error."""

    name = forms.CharField(help_text="How you will find it again.")
    model = forms.ChoiceField(choices=[("gpt", "openai/gpt-4.1"), ("demo", "demo/planner")])
    limit = forms.IntegerField(required=False)
    note = forms.CharField()


@dataclass(frozen=True, slots=True)
class ExampleCall:
    """What components/call.html reads of a call."""

    id: str
    name: str
    state: str
    mode: str = "parallel"
    arguments_preview: str = 'query="tides", limit=5'
    arguments: str = '{\n  "query": "tides",\n  "limit": 5\n}'
    why: str = ""
    started_at: Any = None
    duration_ms: int | None = None
    return_preview: str = ""
    result: str = ""
    output: str = ""


def gallery_html() -> str:
    """The whole page, as a view would render it."""
    return render_to_string("components/gallery.html", _context())


def _context() -> dict[str, Any]:
    now = timezone.now()
    parallel = [
        ExampleCall("a", "search_web", "running", started_at=now - timedelta(seconds=4), output="reading\nranking\n"),
        ExampleCall("b", "search_database", "success", duration_ms=1240, return_preview="[…]", result="[…]"),
        ExampleCall("c", "search_web", "waiting", why="waiting: cap 2 of search_web"),
        *(ExampleCall(state, "crunch", state, duration_ms=80, return_preview="why") for state in STATES[4:]),
    ]
    sequential = [ExampleCall("s", "send_message", "success", "sequential", 'text="started"', duration_ms=340)]
    return {
        "request": SimpleNamespace(csp_nonce=_NONCE),
        "user": SimpleNamespace(is_authenticated=True, is_staff=True, get_username=lambda: "nadia"),
        "rail": [{"label": "Agents", "url": "/agents/", "icon": "robot", "active": True}],
        "running_count": 2,
        "states": STATES,
        "calls": {"sequential": sequential, "parallel": parallel, "parallel_count": len(parallel)},
        "held_call": ExampleCall("h", "delete_rows", "held", "sequential", why="held: this tool asks for approval"),
        "tabs": [
            {"label": "Settings", "url": "?tab=settings", "active": True},
            {"label": "Tools", "url": "?tab=tools"},
        ],
        "form": ExampleForm({"name": "Librarian", "model": "gpt"}),
        "at": now - timedelta(minutes=7),
        "since": now - timedelta(seconds=12),
        "code": _CODE,
    }


def open_gallery(browser: Browser, theme: str, width: int = 1280) -> Page:
    """The gallery under the product's security policy, whose violations are in `window.violations`. Every request that is
    no static file is answered 204."""
    html = gallery_html()
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if theme == "dark" else "light"
    )
    context.add_init_script(
        "window.violations = []; document.addEventListener('securitypolicyviolation', (e) => window.violations.push(e.violatedDirective))"
    )

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(_ORIGIN).split("?")[0]
        if path == "/":
            route.fulfill(body=html, content_type="text/html", headers={"Content-Security-Policy": _POLICY})
        elif path.startswith("/static/"):
            file = _STATIC / path.removeprefix("/static/")
            route.fulfill(body=file.read_bytes(), content_type=guess_type(file.name)[0] or "font/woff2")
        else:
            route.fulfill(status=204)

    context.route("**/*", answer)
    page = context.new_page()
    page.goto(f"{_ORIGIN}/")
    page.locator(".cm-content").wait_for()
    return page
