"""The built-in tool fetch_webpage: a page of the public internet as text."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from engine.ports import OnOutput
from tools.built_in import BuiltIn, ToolFault
from tools.models import ToolType
from tools.toolbox import Equipment
from tools.web.addresses import AddressFilter
from tools.web.fetching import Fetcher, FetchProblem, Page

_PROGRAM = Path(__file__).with_name("page_markdown.py")
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset(
    {"application/json", "application/xml", "application/javascript", "application/x-ndjson", "application/yaml"}
)


async def fetch_webpage(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str:
    """The page of argument `url`, as the model reads it. Raises ToolFault."""
    fetcher = Fetcher(AddressFilter.allowing(settings.ADE_FETCH_ALLOW))
    return await read_page(fetcher, str(arguments["url"]))


async def read_page(fetcher: Fetcher, url: str) -> str:
    """A page fetched and turned into text. Raises ToolFault."""
    try:
        async with asyncio.timeout(fetcher.seconds):
            page = await fetcher.fetch(url)
    except FetchProblem as problem:
        raise ToolFault(str(problem)) from problem
    except TimeoutError as error:
        raise ToolFault(f"{url} took longer than {fetcher.seconds:g} s.") from error
    title, text = await _text_of(page)
    head = f"# {title}\n" if title else ""
    note = "\n\n[The page is longer; the rest was not read.]" if page.is_cut else ""
    return f"{head}Source: {page.url}\n\n{text or '[The page shows no text.]'}{note}"


async def _text_of(page: Page) -> tuple[str, str]:
    """Title and text of a page. Raises ToolFault for what is no text."""
    if page.content_type in _HTML or (not page.content_type and page.body.lstrip()[:1] == b"<"):
        return await _converted(page)
    is_text = page.content_type.startswith("text/") or page.content_type in _TEXT
    if is_text or page.content_type.endswith(("+json", "+xml")):
        return "", _decoded(page)
    kind = page.content_type or "of an unknown type"
    raise ToolFault(f"{page.url} is no text but {kind}, {len(page.body):,} bytes. Only pages and texts can be read.")


def _decoded(page: Page) -> str:
    try:
        return page.body.decode(page.charset or "utf-8", errors="replace")
    except LookupError:  # a charset that nobody knows
        return page.body.decode(errors="replace")


async def _converted(page: Page) -> tuple[str, str]:
    """HTML as Markdown, in a process that can be ended: pages are written by anybody."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_PROGRAM),
        page.url,
        page.charset,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        output, _ = await process.communicate(page.body)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ToolFault(f"{page.url} cannot be turned into text: it is too large or too deeply nested.")
    title, _, text = output.decode(errors="replace").partition("\n\n")
    return title, text


FETCH_WEBPAGE = BuiltIn(
    "fetch_webpage",
    ToolType.LETTA_BUILTIN,
    "Fetch a web page and read it as Markdown text, with its headings, lists, tables and links.",
    {
        "type": "object",
        "properties": {"url": {"type": "string", "description": "The page's address, with https:// or http://."}},
        "required": ["url"],
    },
    fetch_webpage,
    is_parallel=True,
    tags=("web",),
)
