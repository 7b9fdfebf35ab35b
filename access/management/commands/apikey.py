from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.keys import first_person, make_api_key
from access.models import Person


class Command(BaseCommand):
    help = "Make an API key and print it. It is shown this once: only its hash is stored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", nargs="?", default="command line", help="What you will recognise the key by")
        parser.add_argument("--username", default="admin", help="Whose key it is")

    def handle(self, *args: Any, **options: Any) -> None:
        username = options["username"]
        person = first_person() if username == "admin" else Person.objects.filter(username=username).first()
        if person is None:
            raise CommandError(f"There is nobody called {username!r}.")
        self.stdout.write(make_api_key(person, options["name"][:100]))
