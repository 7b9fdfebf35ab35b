"""What a program says on its standard error: the end of it is kept, for the day it does not start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_KEPT = 2000


class StderrTail:
    """The last of what was said, as text."""

    def __init__(self) -> None:
        self._said = b""
        self._descriptor = -1

    @property
    def text(self) -> str:
        if self._descriptor >= 0:
            self.take(self._descriptor)
        return self._said.decode(errors="replace").strip()

    def take(self, descriptor: int) -> None:
        """Read what there is; never waits."""
        try:
            self._said = (self._said + os.read(descriptor, 65_536))[-_KEPT:]
        except BlockingIOError:
            return

    @contextmanager
    def listening(self) -> Iterator[TextIO]:
        """A file for the program to write to. It is read on this event loop until the block ends."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        self._descriptor = reading
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, self.take, reading)
        with os.fdopen(writing, "w") as file:
            try:
                yield file
            finally:
                self.take(reading)
                self._descriptor = -1
                loop.remove_reader(reading)
                os.close(reading)
