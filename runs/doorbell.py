"""Wakes the worker of this process from wherever the news comes. A nudge only: the worker looks by itself as well."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

_bells: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []


def hang(loop: asyncio.AbstractEventLoop, bell: Callable[[], None]) -> None:
    """Have `bell` called on `loop` whenever the worker is to look."""
    _bells.append((loop, bell))


def take_down(bell: Callable[[], None]) -> None:
    """Undo `hang`."""
    _bells[:] = [(loop, hung) for loop, hung in _bells if hung != bell]


def wake_worker() -> None:
    """Ring, from any thread. Never raises."""
    for loop, bell in _bells:
        try:
            loop.call_soon_threadsafe(bell)
        except RuntimeError:  # the loop has been closed
            log.warning("could not wake the worker", exc_info=True)
