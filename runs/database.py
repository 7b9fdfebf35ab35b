"""The one way from async code to the database: a few threads that keep their connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import ParamSpec, TypeVar

from django.db import connection

P = ParamSpec("P")
R = TypeVar("R")

# Four: SQLite has one writer anyway, and every thread holds a connection. Measured in place of Django's default,
# which is one thread for the whole process.
_THREAD_COUNT = 4
_THREADS = ThreadPoolExecutor(max_workers=_THREAD_COUNT, thread_name_prefix="database")


async def in_database(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call `function` in a database thread and give its return. What it raises is raised here."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(_call, function, *args, **kwargs))


def _call(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    if connection.errors_occurred and not connection.in_atomic_block:
        connection.close()
    return function(*args, **kwargs)


def close_connections() -> None:
    """Close the connections of the database threads; each opens a new one when it is next needed."""
    meeting = Barrier(_THREAD_COUNT)
    # Each of the threads has to take exactly one of these, so each waits until all have.
    list(_THREADS.map(lambda _: (connection.close(), meeting.wait(5)), range(_THREAD_COUNT)))
