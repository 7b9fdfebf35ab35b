from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Run the agents without serving pages: any number of these beside each other, on one Postgres database."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.IS_POSTGRES:
            raise CommandError(
                "A worker beside the server needs a database that both can share: set DATABASE_URL to Postgres. "
                "On SQLite `python manage.py serve` runs the agents itself."
            )
        if not settings.REDIS_URL:
            self.stderr.write("Without REDIS_URL pages learn of what happens here up to a second late.")
        from ade.work import work

        self.stdout.write("The worker runs. Ctrl-C stops it.")
        self.stdout.flush()
        asyncio.run(_until_signal(work()))


async def _until_signal(work: Coroutine[Any, Any, None]) -> None:
    """Work until the first signal, then let the runs finish or hand them over; a second one ends it at once."""
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if task.cancelling():
            os._exit(1)
        log.info("stopping: runs may finish within %g s", settings.ADE_GRACE_SECONDS)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        return
