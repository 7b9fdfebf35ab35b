"""Complains about what neither a linter nor a type checker sees in the files that belong to the repository.

Inline script or style in a template (the content security policy would refuse it), paths of somebody's home directory, and
Python files that are too long to hold one idea.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
LONGEST_FILE = 400
LONGEST_TEST_FILE = 600
_NOT_OURS = frozenset({"data", "node_modules", "staticfiles", "test-results", "__pycache__", "vendor", "migrations"})
_NO_TEXT = frozenset({".png", ".woff2", ".pyc", ".sqlite3"})
_INLINE = re.compile(
    r"""<[^>]*\s(?:on[a-z]+|style)\s*=\s*["']     # an event handler or a style attribute
      | <script\b(?![^>]*\bsrc=)(?![^>]*\btype=["']application/json["'])
      | <style\b
      | \bhref\s*=\s*["']javascript:
      | \bhx-on(?::|-)""",
    re.VERBOSE | re.IGNORECASE,
)
_DJANGO_COMMENT = re.compile(r"\{#.*?#\}|\{%\s*comment.*?endcomment\s*%\}", re.DOTALL)
# Written in two halves, so that this file does not complain about itself.
_HOME = re.compile(r"(?<![\w.])/(?:" + "root|home" + r"/\w+|Users/\w+)(?=/|\b)")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, where."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def find_inline(path: str, text: str) -> Iterator[Complaint]:
    """Inline handlers, styles and scripts of a template."""
    if not path.endswith(".html"):
        return
    bare = _DJANGO_COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in _INLINE.finditer(bare):
        yield Complaint(path, bare.count("\n", 0, found.end()) + 1, f"inline script or style: {found[0].strip()[:60]}")


def find_home(path: str, text: str) -> Iterator[Complaint]:
    """Paths that exist on one machine only."""
    for found in _HOME.finditer(text):
        yield Complaint(path, text.count("\n", 0, found.start()) + 1, f"the path of a home directory: {found[0]}")


def find_long(path: str, text: str) -> Iterator[Complaint]:
    """Python files past the limit."""
    lines, most = text.count("\n"), LONGEST_TEST_FILE if path.startswith("tests/") else LONGEST_FILE
    if path.endswith(".py") and lines > most:
        yield Complaint(path, most, f"{lines} lines; which noun wants to leave?")


RULES: tuple[Callable[[str, str], Iterator[Complaint]], ...] = (find_inline, find_home, find_long)


def own_files() -> Iterator[str]:
    """The text files of the repository, without what was bundled or made by machine."""
    for folder, folders, names in os.walk(BASE):
        folders[:] = sorted(name for name in folders if name not in _NOT_OURS and not _is_hidden(name))
        yield from (
            str(Path(folder, name).relative_to(BASE)) for name in sorted(names) if Path(name).suffix not in _NO_TEXT
        )


def _is_hidden(folder: str) -> bool:
    return folder.startswith(".") and folder != ".ci"


def complaints() -> list[Complaint]:
    """All of them."""
    texts = {path: (BASE / path).read_text(encoding="utf-8") for path in own_files()}
    return [complaint for path, text in texts.items() for rule in RULES for complaint in rule(path, text)]


def main() -> int:
    """Print the complaints; 1 where there are any."""
    found = complaints()
    for complaint in found:
        print(complaint)  # noqa: T201 - this is its purpose
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
