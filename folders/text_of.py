"""Reads the text of one document. A program of its own, so that a hostile document hurts nobody:

    python text_of.py KIND MOST_CHARACTERS MOST_SECONDS MOST_BYTES < document > text

Imports nothing of the server. Exits with 0 and writes the text in UTF-8; or with 3 and writes a sentence that says why
there is none.
"""

from __future__ import annotations

import io
import re
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

NO_TEXT = 3
_MOST_PAGES = 5_000
_MOST_UNPACKED = 300 * 1024 * 1024
_MOST_MEMBERS = 10_000
_BLOCKS = re.compile(
    "address|article|aside|blockquote|body|br|dd|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]|header|hr|li|main"
    "|nav|ol|p|pre|section|table|title|tr|ul"
)
_UNSHOWN = frozenset({"script", "style", "noscript", "template", "iframe", "object", "svg"})


class NoText(Exception):
    """No text can be read; says why to a person."""


def of_pdf(document: bytes, most: int) -> str:
    """The text layer of every page; pages are set apart by an empty line."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(io.BytesIO(document))
        if reader.is_encrypted and not reader.decrypt(""):
            raise NoText("This PDF needs a password. Upload it without one.")
        count = len(reader.pages)
        if count > _MOST_PAGES:
            raise NoText(f"This PDF has {count:,} pages; {_MOST_PAGES:,} is the most that is read.")
        text = "\n\n".join(_within(most, (page.extract_text() or "" for page in reader.pages)))
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise NoText(f"This is no PDF that can be read: {error}") from error
    if not text.strip():
        raise NoText("This PDF holds pictures of pages and no text. Run it through text recognition (OCR) first.")
    return text


def of_docx(document: bytes, most: int) -> str:
    """Paragraphs and tables in their order, a row's cells set apart by tabs."""
    from docx import Document
    from docx.table import Table

    _check_zip(document)
    try:
        parts = Document(io.BytesIO(document)).iter_inner_content()
        lines = (_table(part) if isinstance(part, Table) else part.text for part in parts)
        return "\n".join(_within(most, lines))
    except (ValueError, KeyError, TypeError, AttributeError, OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise NoText(f"This is no Word document that can be read: {error}") from error


def of_html(document: bytes, most: int) -> str:
    """What a reader sees, block by block; scripts and styles are left out."""
    from lxml import etree, html

    try:
        tree = html.document_fromstring(document, parser=html.HTMLParser(huge_tree=True, no_network=True))
    except (etree.LxmlError, ValueError) as error:
        raise NoText(f"This is no HTML that can be read: {error}") from error
    text = "".join(_within(most, _shown(tree)))
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in text.splitlines())
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    if not text:
        raise NoText("This page shows no text, or is nested too deeply. If a script writes it, save it from a browser.")
    return text


READERS: dict[str, Callable[[bytes, int], str]] = {"pdf": of_pdf, "docx": of_docx, "html": of_html}


def _within(most: int, parts: Iterator[str]) -> Iterator[str]:
    """The parts as long as they are not more than `most` characters together."""
    length = 0
    for part in parts:
        length += len(part)
        if length > most:
            raise NoText(f"Its text has more than {most:,} characters. Split the document.")
        yield part


def _check_zip(document: bytes) -> None:
    """Refuse what would unpack to far more than it is."""
    try:
        members = zipfile.ZipFile(io.BytesIO(document)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise NoText(f"This is no Word document that can be read: {error}") from error
    if len(members) > _MOST_MEMBERS or sum(member.file_size for member in members) > _MOST_UNPACKED:
        raise NoText("This Word document unpacks to far more than a document holds.")


def _table(table: Any) -> str:
    return "\n".join("\t".join(cell.text for cell in row.cells) for row in table.rows)


def _shown(tree: Any) -> Iterator[str]:
    """The pieces of text in their order, with line breaks around blocks. A walk without recursion: trees are deep."""
    from lxml import etree

    unshown: list[Any] = []
    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        name = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if name in _UNSHOWN:
                unshown.append(element)
            if not unshown:
                yield _edge(name) + (element.text or "")
            continue
        if event == "end" and unshown and unshown[-1] is element:
            unshown.pop()
        if not unshown:
            yield _edge(name) + (element.tail or "")


def _edge(name: str) -> str:
    if name in ("td", "th"):
        return " "
    return "\n" if _BLOCKS.fullmatch(name) else ""


def _confine(seconds: int, size: int) -> None:
    """Bounds that the kernel keeps: processor time, memory, no file to write."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(kind: str, most: str, seconds: str, size: str) -> int:
    """Read standard input, write standard output."""
    document = sys.stdin.buffer.read()
    _confine(int(seconds), int(size))
    try:
        text, status = READERS[kind](document, int(most)), 0
    except NoText as error:
        text, status = str(error), NO_TEXT
    except (MemoryError, RecursionError):
        text, status = "Reading this document takes more memory than is given to it.", NO_TEXT
    sys.stdout.buffer.write(text.encode(errors="replace"))
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
