"""Tells those who watch the runs of this process what has been stored: numbers for /metrics, traces.

They are told after the commit, on the worker's loop, in the order of each run's log. They change nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from engine.events import Event

log = logging.getLogger(__name__)


class Observer(Protocol):
    """Somebody who watches. All three return quickly and do not wait for anything."""

    def taken(self, run_id: str, created_at: datetime) -> None:
        """This process goes to work on a run, a new one or one that another worker has left."""
        ...

    def stored(self, run_id: str, at: datetime, event: Event) -> None:
        """An event of a run that was taken here stands in its log."""
        ...

    def left(self, run_id: str) -> None:
        """This process is done with the run: it has ended, was taken away, or the worker stops."""
        ...


_observers: list[Observer] = []


def watch(observer: Observer) -> Callable[[], None]:
    """Tell this one too from now on. Calling what is returned ends it."""
    _observers.append(observer)
    return lambda: _observers.remove(observer)


def tell_taken(run_id: str, created_at: datetime) -> None:
    _tell(lambda observer: observer.taken(run_id, created_at))


def tell_stored(run_id: str, at: datetime, event: Event) -> None:
    _tell(lambda observer: observer.stored(run_id, at, event))


def tell_left(run_id: str) -> None:
    _tell(lambda observer: observer.left(run_id))


def _tell(say: Callable[[Observer], None]) -> None:
    for observer in tuple(_observers):
        try:
            say(observer)
        except Exception:
            log.exception("a number or a trace is missing, because an observer failed")
