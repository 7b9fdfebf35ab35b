from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.keys import first_person, make_login_token
from access.models import Person


class Command(BaseCommand):
    help = "Print a link that signs one person in, once, within a day."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", nargs="?", default="admin")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = first_person() if username == "admin" else Person.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is nobody called {username!r}. Known: {self._known()}.")
        base = settings.ADE_PUBLIC_URL or f"http://{settings.ADE_HOST}:{settings.ADE_PORT}"
        self.stdout.write(f"{base}/login/{make_login_token(person)}/")

    def _known(self) -> str:
        return ", ".join(Person.objects.values_list("username", flat=True)) or "nobody yet"
