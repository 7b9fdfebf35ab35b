"""Words and small texts of the run pages: durations, previews, JSON, markdown."""

from __future__ import annotations

import json
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt

SHOWN_CHARACTERS = 20_000
PREVIEW_CHARACTERS = 160

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def duration_text(seconds: float) -> str:
    """Seconds as "240 ms", "1.24 s", "12.4 s", "3 m 05 s", "2 h 07 m": as static/js/format.js writes them."""
    if seconds < 1:
        return f"{round(max(0.0, seconds) * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


@lru_cache(maxsize=512)
def markdown_html(text: str) -> str:
    """Markdown as safe HTML: no raw HTML, no script, no style, links that give nothing away."""
    return nh3.clean(_MARKDOWN.render(text))


def pretty_json(text: str) -> str:
    """JSON indented; what is no JSON stays as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def preview(text: str, limit: int = PREVIEW_CHARACTERS) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text[: limit * 4].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def arguments_preview(text: str) -> str:
    """Arguments as `query: "tides", limit: 3`; what is no JSON object as it is."""
    try:
        arguments = json.loads(text) if len(text) <= SHOWN_CHARACTERS else None
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return preview(text)
    pairs = (
        f"{name}: {json.dumps(value, ensure_ascii=False)[:PREVIEW_CHARACTERS]}" for name, value in arguments.items()
    )
    return preview(", ".join(pairs))


def cut(text: str, limit: int = SHOWN_CHARACTERS) -> tuple[str, bool]:
    """The beginning of a text, and whether something was left out."""
    return text[:limit], len(text) > limit


def count_text(count: int, singular: str, plural: str = "") -> str:
    """ "1 call", "3 calls"."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
