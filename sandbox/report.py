"""How the tool's process tells its supervisor what the function returned: through shared memory.

No file descriptor is involved, so closing all of them loses nothing, printing forges nothing, and a forked copy that
holds pipes open delays nothing. A random word that the tool was never given stands before the report: memory that was
scribbled over is recognised and told as such.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from enum import IntEnum


class ReportKind(IntEnum):
    """What a report's text is: what the function raised, or what it returned: a text, nothing (None), or JSON."""

    RAISED = 0
    TEXT = 1
    NOTHING = 2
    JSON = 3


WORD_BYTES = 16
HEAD = struct.Struct(f">{WORD_BYTES}sB?I")
KINDS = frozenset(ReportKind)
UNTOUCHED = bytes(HEAD.size)


@dataclass(frozen=True, slots=True)
class Report:
    """`text` is UTF-8. `cut`: there was no room for all of it."""

    kind: ReportKind
    cut: bool
    text: bytes


class ReportMemory:
    """Room for one report of at most `capacity` bytes, shared with the child that is forked later."""

    def __init__(self, capacity: int, word: bytes) -> None:
        """`word` is WORD_BYTES long and secret."""
        self._memory = mmap.mmap(-1, HEAD.size + capacity)
        self._capacity = capacity
        self._word = word

    def write(self, kind: ReportKind, text: bytes) -> None:
        """Leave the report. Text beyond the capacity is cut, never in the middle of a character."""
        cut = len(text) > self._capacity
        if cut:
            text = text[: self._capacity].decode("utf-8", "ignore").encode()
        self._memory[HEAD.size : HEAD.size + len(text)] = text
        self._memory[: HEAD.size] = HEAD.pack(self._word, kind, cut, len(text))

    def touch(self) -> None:
        """Have its first page there, unchanged."""
        self._memory[: HEAD.size] = UNTOUCHED

    def read(self) -> Report | None:
        """The report, or None when there is none that can be trusted."""
        word, kind, cut, length = HEAD.unpack(self._memory[: HEAD.size])
        if word != self._word or length > self._capacity or kind not in KINDS:
            return None
        return Report(ReportKind(kind), cut=cut, text=self._memory[HEAD.size : HEAD.size + length])

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()

    def is_spoilt(self) -> bool:
        """Whether something other than a report was written there."""
        return self._memory[: HEAD.size] != UNTOUCHED and self.read() is None
