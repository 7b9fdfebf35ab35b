"""What the memory tools do to a block's text. Pure: the text as it is in, the text as it shall be out."""

from __future__ import annotations

from collections.abc import Callable

Edit = Callable[[str], str]
"""Gives the new text of a block. Raises EditProblem where the text is not what the edit takes it for."""

_SHOWN = 200


class EditProblem(ValueError):
    """An edit that does not fit the text. The message tells the model what to do."""


def appended(text: str) -> Edit:
    """The text as a new line at the end; an empty block has just that line."""
    return lambda value: f"{value}\n{text}" if value else text


def inserted(text: str, after_line: int) -> Edit:
    """The text after this line, counted from 1; 0 is the beginning, -1 the end."""

    def edit(value: str) -> str:
        lines = value.split("\n") if value else []
        if not -1 <= after_line <= len(lines):
            raise EditProblem(
                f"insert_line {after_line} is no line of this block, which has {len(lines)}: 0 inserts at the "
                "beginning, -1 at the end."
            )
        at = len(lines) if after_line == -1 else after_line
        return "\n".join([*lines[:at], text, *lines[at:]])

    return edit


def replaced(old: str, new: str) -> Edit:
    """The one occurrence of `old` replaced; none and several are problems."""

    def edit(value: str) -> str:
        if not old:
            raise EditProblem("old_string is empty. To add text there is memory_insert.")
        count = value.count(old)
        if count == 0:
            raise EditProblem(f"No replacement was made: {_cut(old)!r} does not stand in the block, verbatim.")
        if count > 1:
            lines = ", ".join(str(line) for line in _lines_of(value, old))
            raise EditProblem(
                f"No replacement was made: {_cut(old)!r} stands in the block {count} times, in lines {lines}. "
                "Give more of the text around it, so that it is unique."
            )
        return value.replace(old, new)

    return edit


def replaced_everywhere(old: str, new: str) -> Edit:
    """Every occurrence of `old` replaced; none is a problem."""

    def edit(value: str) -> str:
        if not old or old not in value:
            raise EditProblem(f"Old content {_cut(old)!r} was not found in the block; it must match exactly.")
        return value.replace(old, new)

    return edit


def rewritten(text: str) -> Edit:
    """Nothing but the new text."""
    return lambda value: text


def _lines_of(value: str, part: str) -> list[int]:
    """The lines, from 1, in which an occurrence begins."""
    found, start = [], value.find(part)
    while start != -1:
        found.append(value.count("\n", 0, start) + 1)
        start = value.find(part, start + len(part))
    return found


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
