"""What text is read from which files, and what is said where none can be."""

from __future__ import annotations

import os

import pytest

from folders import extraction
from folders.extraction import Unreadable, kind_of, text_of_document, text_of_plain
from folders.pieces import pieces_of
from folders.problems import UnreadableKind
from tests.documents import docx, pdf, zip_bomb

HTML = b"""<!doctype html><html><head><title>Tides</title><style>p {color: red}</style>
<script>alert("never")</script></head><body><h1>Moon &amp; sea</h1><p>The   moon <b>pulls</b> the water.</p>
<!-- a note --><ul><li>High</li><li>Low</li></ul><table><tr><td>Bay</td><td>Height</td></tr></table></body></html>"""


@pytest.mark.parametrize(
    ("name", "body", "reader", "media_type"),
    [
        ("a.pdf", b"whatever", "pdf", "application/pdf"),
        ("no-ending", b"%PDF-1.7 ...", "pdf", "application/pdf"),
        ("a.DOCX", b"PK", "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.htm", b"<p>", "html", "text/html"),
        ("a.md", b"# x", "", "text/markdown"),
        ("a.json", b"{}", "", "application/json"),
        ("a.csv", b"a,b", "", "text/csv"),
        ("a.py", b"x = 1", "", "text/x-python"),
        ("Makefile", b"all:\n\ttrue", "", "text/plain"),
        ("empty.txt", b"", "", "text/plain"),
        ("windows.txt", "é".encode("utf-16"), "", "text/plain"),
    ],
)
def test_a_file_is_taken_for_what_its_name_and_its_bytes_say(
    name: str, body: bytes, reader: str, media_type: str
) -> None:
    kind = kind_of(name, body)
    assert (kind.reader, kind.media_type) == (reader, media_type)


@pytest.mark.parametrize("name", ["picture.png", "notes.txt", "no-ending"])
def test_bytes_that_are_no_text_are_refused_with_what_can_be_uploaded(name: str) -> None:
    with pytest.raises(UnreadableKind, match=r"PDF, Word .* plain text"):
        kind_of(name, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\2\3\4")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("größe\r\nzwei\rdrei".encode(), "größe\nzwei\ndrei"),
        (b"\xef\xbb\xbfwith a mark", "with a mark"),
        ("wide é".encode("utf-16"), "wide é"),
        ("d'été – 5 €".encode("cp1252"), "d'été – 5 €"),
        (b"nul \0 inside", "nul  inside"),
    ],
)
def test_plain_text_is_read_in_the_encoding_it_has(body: bytes, text: str) -> None:
    assert text_of_plain(body) == text


def test_a_pdf_gives_the_text_of_every_page() -> None:
    text = text_of_document("pdf", pdf("First page here", "Second page there"))
    assert text.split() == ["First", "page", "here", "Second", "page", "there"]


def test_a_word_document_gives_paragraphs_and_tables_in_their_order() -> None:
    text = text_of_document("docx", docx("Größe", "Zwei", table=[["a", "b"], ["c", "d"]]))
    assert text == "Größe\nZwei\na\tb\nc\td\nAfter"


def test_html_gives_what_a_reader_sees() -> None:
    lines = [line for line in text_of_document("html", HTML).splitlines() if line]
    assert lines == ["Tides", "Moon & sea", "The moon pulls the water.", "High", "Low", "Bay Height"]


def test_nested_html_is_read_and_absurdly_nested_html_refused() -> None:
    assert text_of_document("html", b"<div>" * 200 + b"deep") == "deep"
    with pytest.raises(Unreadable, match="nested too deeply"):
        text_of_document("html", b"<div>" * 100_000 + b"deep")


@pytest.mark.parametrize(
    ("reader", "body", "says"),
    [
        ("pdf", b"no pdf at all", "no PDF that can be read"),
        ("pdf", pdf("Hello")[:150], "no PDF that can be read"),
        ("pdf", pdf("", ""), r"pictures of pages and no text.*OCR"),
        ("docx", b"no zip at all", "no Word document"),
        ("docx", docx("Hello")[:400], "no Word document"),
        ("docx", zip_bomb(), "unpacks to far more"),
        ("html", b"", "no HTML"),
    ],
)
def test_a_broken_document_is_refused_with_a_sentence(reader: str, body: bytes, says: str) -> None:
    with pytest.raises(Unreadable, match=says):
        text_of_document(reader, body)


def test_text_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "MOST_CHARACTERS", 40)
    with pytest.raises(Unreadable, match="more than 40 characters"):
        text_of_document("html", b"<p>" + b"word " * 20)
    with pytest.raises(Unreadable, match="more than 40 characters"):
        text_of_plain(b"word " * 20)


def test_a_reader_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "_SECONDS", 0.01)
    with pytest.raises(Unreadable, match="took longer than"):
        text_of_document("html", b"<p>slow")


def test_a_reader_that_takes_too_much_memory_is_refused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "_MEMORY", 60 * 1024 * 1024)
    with pytest.raises(Unreadable, match=r"memory|be read"):
        text_of_document("html", b"<p>big</p>" * 1_000_000)


def test_a_document_sees_nothing_of_the_servers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spy = tmp_path_factory.mktemp("reader") / "spy.py"
    spy.write_text("import os\nprint(sorted(os.environ))")
    monkeypatch.setattr(extraction, "_PROGRAM", spy)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert os.environ["OPENAI_API_KEY"] == "sk-secret"
    assert "OPENAI_API_KEY" not in text_of_document("pdf", b"")


def test_pieces_are_whole_lines_that_say_where_they_stand() -> None:
    text = "\n".join(f"Line {number} " + "x" * 90 for number in range(1, 101))
    pieces = list(pieces_of(text))
    assert [piece.first for piece in pieces[1:]] == [piece.last + 1 for piece in pieces[:-1]]
    assert (pieces[0].first, pieces[-1].last) == (1, 100)
    assert "\n".join(piece.text for piece in pieces) == text
    assert all(len(piece.text) <= 1_300 for piece in pieces)


def test_a_very_long_line_is_cut_and_empty_text_has_no_pieces() -> None:
    pieces = list(pieces_of("short\n" + "word " * 1_000 + "\nlast"))
    assert "".join(piece.text for piece in pieces if (piece.first, piece.last) == (2, 2)) == "word " * 1_000
    assert (pieces[0].text, pieces[-1].text, pieces[-1].first) == ("short", "last", 3)
    assert list(pieces_of("")) == list(pieces_of("\n \n\n")) == []
