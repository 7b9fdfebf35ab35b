"""A browser in miniature: takes frames as static/js/run-frames.js does, and knows what is then on the page."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from typing import Any

_VOID = frozenset({"input", "br", "hr", "img", "use", "rect", "line"})
_PLACED_BY_THE_SCRIPT = re.compile(r' (?:x|width|text-anchor|dx)="[^"]*"')
"""On the page's own axis, from data-from and data-to."""


class _Parts(HTMLParser):
    """Splits html into its top elements: attributes and source of each, and all ids inside with their source."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.tops: list[tuple[dict[str, str | None], str]] = []
        self._depth = 0
        self._pieces: list[str] = []
        self._attributes: dict[str, str | None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth == 0:
            self._attributes, self._pieces = dict(attrs), []
        self._pieces.append(self.get_starttag_text() or "")
        if tag not in _VOID:
            self._depth += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._pieces.append(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._pieces.append(f"</{tag}>")
        self._depth -= 1
        if self._depth == 0:
            self.tops.append((self._attributes, "".join(self._pieces)))

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)

    def handle_entityref(self, name: str) -> None:
        self._pieces.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._pieces.append(f"&#{name};")


def tops_of(source: str) -> list[tuple[dict[str, str | None], str]]:
    parser = _Parts()
    parser.feed(source)
    return parser.tops


def normalised(source: str) -> str:
    """The html without what the script places and without white space between its parts."""
    return re.sub(r">\s+<", "><", _PLACED_BY_THE_SCRIPT.sub("", source)).strip()


class ShownPage:
    """What is shown, by id. An element shown again replaces the earlier one wherever it stood."""

    def __init__(self) -> None:
        self.elements: dict[str, str] = {}
        self._seq = 0

    def take(self, frame: dict[str, Any]) -> None:
        if frame["seq"] <= self._seq:
            return
        self._seq = frame["seq"]
        for attributes, source in tops_of(frame["html"]):
            if attributes.get("data-append"):
                key = f"{attributes['data-append']} {re.search(r'id=.(output-[0-9a-z-]+)', source).group(1)}"  # type: ignore[union-attr]
            else:
                key = str(attributes["id"])
            source = _PLACED_BY_THE_SCRIPT.sub("", source)
            self.elements[key] = source
            self._replace_inside(key, source)

    def text_of(self, element_id: str) -> str:
        """The text of the innermost latest element with this id."""
        source = self.elements.get(element_id) or self._inside(element_id)
        return _text(source)

    def _inside(self, element_id: str) -> str:
        for source in reversed(list(self.elements.values())):
            found = re.search(rf'<[a-z]+[^>]*\bid="{re.escape(element_id)}".*', source, re.DOTALL)
            if found:
                return found.group(0)
        raise AssertionError(f"nothing with the id {element_id} is shown")

    def _replace_inside(self, key: str, source: str) -> None:
        """A part that is shown anew also takes its place inside the bigger part that it was first shown in."""
        for other, outer in self.elements.items():
            if other != key and f'id="{key}"' in outer:
                self.elements[other] = _with(outer, key, source)


def last_words(elements: dict[str, str]) -> dict[str, str]:
    """What a person sees: the outermost elements, each with what was shown in it last."""
    inner = {key for key in elements for other, source in elements.items() if other != key and f'id="{key}"' in source}
    return {key: source for key, source in elements.items() if key not in inner}


def _with(outer: str, element_id: str, source: str) -> str:
    start = outer.rindex("<", 0, outer.index(f'id="{element_id}"'))
    parser = _Parts()
    parser.feed(outer[start:])
    old = parser.tops[0][1]
    return outer[:start] + source + outer[start + len(old) :]


def _text(source: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", source))
