"""The one way from async code to the database: a few threads that keep their connections."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import ParamSpec, TypeVar

from django.db import Error, InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

# Four: SQLite has one writer anyway, and every thread holds a connection. Measured in place of Django's default,
# which is one thread for the whole process.
_THREAD_COUNT = 4
# Between two attempts while the database is away, in seconds.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0
# A connection that was used so short a time ago is taken to be there still.
_TRUSTED_SECONDS = 0.25
_mine = threading.local()
_THREADS = ThreadPoolExecutor(max_workers=_THREAD_COUNT, thread_name_prefix="database")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in a database thread and give its return. What it raises is raised here."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(_call, function, *args, **kwargs))


async def persistently(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """As `in_database`, again and again while the database is away. For what may be done twice: a transaction whose
    answer was lost may have been stored."""
    wait = _FIRST_WAIT
    while True:
        try:
            return await in_database(function, *args, **kwargs)
        except Error as error:
            if not is_away(error):
                raise
            log.warning("the database does not answer, trying again in %.1f s: %s", wait, str(error).strip())
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)


def is_away(error: BaseException) -> bool:
    """Whether the database may answer the same question later: it restarts, is full, or somebody holds a lock."""
    if isinstance(error.__cause__, sqlite3.OperationalError):
        # SQLite says OperationalError of a table that does not exist, too.
        name = getattr(error.__cause__, "sqlite_errorname", "")
        return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN"))
    return isinstance(error, InterfaceError | OperationalError)


def _call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    if not connection.in_atomic_block:
        _look_after_connection()
    _mine.used_at = time.monotonic()
    return function(*args, **kwargs)


def _look_after_connection() -> None:
    """A connection from before a restart of the database is found out now, not by the question that comes next."""
    is_old = time.monotonic() - getattr(_mine, "used_at", 0.0) > _TRUSTED_SECONDS
    if connection.errors_occurred or (is_old and connection.connection is not None and not connection.is_usable()):
        connection.close()


def close_connections() -> None:
    """Close the connections of the database threads; each opens a new one when it is next needed."""
    meeting = Barrier(_THREAD_COUNT)
    # Each of the threads has to take exactly one of these, so each waits until all have.
    list(_THREADS.map(lambda _: _close(meeting), range(_THREAD_COUNT)))


def _close(meeting: Barrier) -> None:
    connection.close()
    meeting.wait(5)
