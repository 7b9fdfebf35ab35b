"""A page as Markdown. A program of its own: it reads somebody's HTML on stdin, and may take long or die over it.

Imports nothing of the server. `python page_markdown.py URL CHARSET` writes the title, an empty line and the Markdown.
"""

from __future__ import annotations

import re
import resource
import sys
from typing import Any
from urllib.parse import urljoin

MEMORY = 1 << 30
PROCESSOR_SECONDS = 30
# What stands around a page's text, and what is no text.
_DROPPED = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "canvas",
    "iframe",
    "form",
    "button",
    "nav",
    "footer",
    "aside",
)
_MAIN = ("main", "article", "[role=main]")
# A page whose main part is shorter than this does not keep its text there.
_LEAST = 200


def markdown_of(html: bytes, url: str, charset: str) -> tuple[str, str]:
    """Title and text: headings, lists, tables and links, without what stands around them."""
    from bs4 import BeautifulSoup
    from markdownify import MarkdownConverter

    page = BeautifulSoup(html, "lxml", from_encoding=charset or None)
    title = page.title.get_text(" ", strip=True) if page.title else ""
    for element in page(_DROPPED):
        element.decompose()
    for link in page("a", href=True):
        link["href"] = urljoin(url, str(link["href"]))
    for picture in page("img"):
        picture.replace_with(str(picture.get("alt") or ""))
    root = _main_part(page)
    try:
        text = MarkdownConverter(heading_style="ATX", bullets="-").convert_soup(root)
    except RecursionError:  # nested as no person would
        text = root.get_text("\n", strip=True)
    return title, re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip()


def _main_part(page: Any) -> Any:
    for selector in _MAIN:
        found = page.select(selector)
        if len(found) == 1 and len(found[0].get_text(strip=True)) >= _LEAST:
            return found[0]
    return page.body or page


def main() -> None:
    """Read, convert, write."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS))
    title, text = markdown_of(sys.stdin.buffer.read(), sys.argv[1], sys.argv[2])
    sys.stdout.buffer.write(f"{' '.join(title.split())}\n\n{text}".encode(errors="replace"))


if __name__ == "__main__":
    main()
