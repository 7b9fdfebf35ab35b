"""Telling an address of a run's end. The rows say who is still to be told, so that a worker that dies forgets nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from engine.specs import RunStatus
from runs.database import in_database, persistently
from runs.models import Callback, Run

log = logging.getLogger(__name__)

# After the first, second and third try without an answer of 2xx; the fourth is the last.
RETRY_AFTER = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60))
_TIMEOUT_SECONDS = 10.0
# For so long a callback belongs to the worker that took it: longer than a try can take.
_TAKEN_FOR = timedelta(seconds=60)
_AT_ONCE = 20
_ENDED = [status for status in RunStatus if status.is_ended]

Describe = Callable[[Run], Mapping[str, Any]]
"""The run as its callback is told of it: set by whoever knows the wire."""

DESCRIPTIONS: list[Describe] = []


@dataclass(frozen=True, slots=True)
class Due:
    """A callback that this worker has taken, and what to send."""

    run_id: str
    url: str
    attempt: int
    body: Mapping[str, Any]


def expect_callback(run: Run, url: str) -> None:
    """Tell this address when the run has ended; "" for none."""
    if url:
        Callback.objects.create(run=run, url=url, next_try_at=timezone.now())


async def call_back(transport: httpx2.AsyncBaseTransport | None = None) -> None:
    """Tell all who are due. What they answer, or that they do not, is noted and logged."""
    taken = await in_database(take_due)
    if not taken:
        return
    async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=transport, follow_redirects=False) as client:
        await asyncio.gather(*(_tell(client, due) for due in taken))


def take_due() -> list[Due]:
    """Take callbacks of ended runs that nobody else is telling just now."""
    now = timezone.now()
    with transaction.atomic():
        found = Callback.objects.filter(is_done=False, next_try_at__lte=now, run__status__in=_ENDED)
        return [due for row in found.select_related("run__agent")[:_AT_ONCE] if (due := _take(row)) is not None]


def note(due: Due, status: int | None, error: str) -> None:
    """Write down how a try went, and when the next one is, if there is to be one."""
    is_told = status is not None and 200 <= status < 300
    is_last = due.attempt > len(RETRY_AFTER)
    now = timezone.now()
    again = now if is_told or is_last else now + RETRY_AFTER[due.attempt - 1]
    mine = Callback.objects.filter(pk=due.run_id, attempts=due.attempt)
    mine.update(status_code=status, error=error, sent_at=now, is_done=is_told or is_last, next_try_at=again)
    said = f"answered {status}" if status is not None else f"did not answer ({error})"
    log.log(
        logging.INFO if is_told else logging.WARNING,
        "the callback of %s %s, try %d%s",
        due.run_id,
        said,
        due.attempt,
        "" if is_told else ", the last one" if is_last else f", again in {RETRY_AFTER[due.attempt - 1].seconds} s",
    )


def _take(row: Callback) -> Due | None:
    """The callback for this worker; None where another one was faster."""
    same = Callback.objects.filter(pk=row.pk, attempts=row.attempts, is_done=False)
    if not same.update(attempts=F("attempts") + 1, next_try_at=timezone.now() + _TAKEN_FOR):
        return None
    body: Mapping[str, Any] = DESCRIPTIONS[-1](row.run) if DESCRIPTIONS else {"id": row.run_id}
    return Due(row.pk, row.url, row.attempts + 1, body)


async def _tell(client: httpx2.AsyncClient, due: Due) -> None:
    status, error = await _post(client, due)
    await persistently(note, due, status, error)


async def _post(client: httpx2.AsyncClient, due: Due) -> tuple[int | None, str]:
    """The status of the answer, or why there is none."""
    try:
        answer = await client.post(due.url, json=due.body)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return None, str(error) or type(error).__name__
    return answer.status_code, "" if answer.is_success else f"It answered {answer.status_code}."
