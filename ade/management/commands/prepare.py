from __future__ import annotations

from contextlib import closing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ade.lock import DataDirectoryInUse, lock_data_directory
from ade.prepare import prepare


class Command(BaseCommand):
    help = "Bring the data directory up to date: tables, static files, the demo agent. `serve --prepare` does it too."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lock = lock_data_directory(settings.ADE_DATA_DIR)
        except DataDirectoryInUse as error:
            raise CommandError(str(error), returncode=3) from error
        with closing(lock):
            news = prepare()
        if news:
            self.stdout.write(news)
