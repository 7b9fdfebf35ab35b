from __future__ import annotations

import os
from io import StringIO
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.keys import first_person, make_api_key, make_login_token
from access.models import ApiKey
from ade.lock import DataDirectoryInUse, lock_data_directory
from ade.prepare import prepare
from ade.server import PortTaken, serve
from ade.work import work
from tools.built_in import ensure


class Command(BaseCommand):
    help = "Serve the dashboard and the API, and run the agents, in one process."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="Bring the data directory up to date before")

    def handle(self, *args: Any, **options: Any) -> None:
        lock = self._lock()
        if options["prepare"] and (news := prepare()):
            self.stdout.write(news)
        ensure()
        # Only now: it looks at the static files as it is imported.
        from ade.asgi import application

        self._first_key = self._make_first_key()
        try:
            exit_code = serve(
                application,
                host=settings.ADE_HOST,
                port=settings.ADE_PORT,
                work=work if settings.ADE_WORKER else None,
                ready=self._say_where,
            )
        except PortTaken as error:
            raise CommandError(str(error)) from error
        finally:
            lock.close()
        if exit_code:
            os._exit(exit_code)

    def _lock(self) -> IO[str]:
        """SQLite has one server per data directory; on Postgres the leases keep several apart."""
        if settings.IS_POSTGRES:
            return StringIO()
        try:
            return lock_data_directory(settings.ADE_DATA_DIR)
        except DataDirectoryInUse as error:
            raise CommandError(str(error), returncode=3) from error

    def _make_first_key(self) -> str | None:
        person = first_person()
        if settings.ADE_API_KEY or ApiKey.objects.exists():
            return None
        return make_api_key(person, "first key")

    def _say_where(self) -> None:
        host = "localhost" if settings.ADE_HOST in {"0.0.0.0", "127.0.0.1", "::"} else settings.ADE_HOST
        base = settings.ADE_PUBLIC_URL or f"http://{host}:{settings.ADE_PORT}"
        lines = [f"Tandem is ready. Sign in with this link, once: {base}/login/{make_login_token(first_person())}/"]
        if self._first_key:
            lines.append(f"API key, shown only now: {self._first_key}   (base URL {base})")
        lines.append("Ctrl-C stops it. `python manage.py loginlink` prints a new link, `apikey` a new key.")
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
