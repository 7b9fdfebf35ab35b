"""From a file's bytes to its text: plain text here, documents in a child process that is bounded."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePath

from folders.problems import UnreadableKind
from folders.text_of import NO_TEXT

# Text of a 20,000 page book; more would make every search and every view slow.
MOST_CHARACTERS = 20_000_000
_SECONDS = 60
_MEMORY = 1024 * 1024 * 1024
_PROGRAM = Path(__file__).with_name("text_of.py")

_DOCUMENTS = {"pdf": "pdf", "docx": "docx", "html": "html", "htm": "html", "xhtml": "html"}
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "html": "text/html",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "csv": "text/csv",
    "xml": "application/xml",
    "py": "text/x-python",
}
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
READABLE = "PDF, Word (.docx), HTML, and every kind of plain text: .txt, .md, .json, .csv, source code"


class Unreadable(Exception):
    """No text can be read from these bytes; says why to a person."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is taken for: `reader` is "" for plain text, `media_type` is what clients are told."""

    reader: str
    media_type: str


def kind_of(name: str, body: bytes) -> Kind:
    """By the name's ending, then by what the bytes look like. Raises UnreadableKind for what is neither document nor
    text."""
    ending = PurePath(name).suffix.lower().removeprefix(".")
    reader = _DOCUMENTS.get(ending) or ("pdf" if body.startswith(b"%PDF-") else "")
    if reader:
        return Kind(reader, _MEDIA_TYPES[reader])
    if not _is_text(body):
        raise UnreadableKind(f"No text can be read from {name}. What can be uploaded: {READABLE}.")
    return Kind("", _MEDIA_TYPES.get(ending, "text/plain"))


def text_of_plain(body: bytes) -> str:
    """Plain text as text: UTF-8, UTF-16 with its mark, or else Latin-1 as Windows writes it. Raises Unreadable."""
    if len(body) > MOST_CHARACTERS * 4:
        raise Unreadable(_too_long())
    text = body.decode(_encoding(body), errors="replace")
    return _cleaned(text)


def text_of_document(reader: str, body: bytes) -> str:
    """The text of a document, read by a child process. Blocks, for a minute at most. Raises Unreadable."""
    command = [sys.executable, "-I", str(_PROGRAM), reader, str(MOST_CHARACTERS), str(_SECONDS), str(_MEMORY)]
    try:
        # Without an environment: what is in ours is none of a document's business.
        done = subprocess.run(command, input=body, capture_output=True, timeout=_SECONDS, env={}, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unreadable(f"Reading this document took longer than {_SECONDS} seconds.") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode == NO_TEXT:
        raise Unreadable(text.replace("\0", "")[:500])
    if done.returncode != 0:
        raise Unreadable(_explain_crash(done.returncode, done.stderr))
    return _cleaned(text)


def _explain_crash(code: int, stderr: bytes) -> str:
    if code in (-9, -24):  # SIGKILL, SIGXCPU
        return f"Reading this document took more than {_SECONDS} seconds of processor time or too much memory."
    last = stderr.decode(errors="replace").replace("\0", "").strip().rpartition("\n")[2]
    return f"This document cannot be read: {last or f'the reader ended with {code}'}"[:500]


def _cleaned(text: str) -> str:
    """As databases and line counts want it: no NUL, one kind of line end."""
    if len(text) > MOST_CHARACTERS:
        raise Unreadable(_too_long())
    return text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")


def _too_long() -> str:
    return f"Its text has more than {MOST_CHARACTERS:,} characters. Split the file."


def _is_text(body: bytes) -> bool:
    """Whether there is no sign of binary content at its start."""
    if body[:2] in _BYTE_ORDER_MARKS:
        return True
    start = body[:65_536]
    unusual = sum(byte < 9 or 13 < byte < 27 or 27 < byte < 32 for byte in start)
    return b"\0" not in start and unusual * 50 <= len(start)


def _encoding(body: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if body.startswith(mark):
            return encoding
    try:
        body.decode()
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"
