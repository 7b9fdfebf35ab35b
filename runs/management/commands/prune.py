from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from runs.retention import Pruned, count_prunable, cutoff, prune_some


class Command(BaseCommand):
    help = "Delete the event logs of runs that ended long ago. Messages, returns and the runs themselves stay."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, help="Keep logs for so many days (default: ADE_RETENTION_DAYS)")
        parser.add_argument("--dry-run", action="store_true", help="Only say what would be deleted")

    def handle(self, *args: Any, **options: Any) -> None:
        days = settings.ADE_RETENTION_DAYS if options["days"] is None else options["days"]
        if days < 1:
            raise CommandError("Logs are kept for ever. Set ADE_RETENTION_DAYS, or say --days with a number above 0.")
        before = cutoff(days)
        if options["dry_run"]:
            self.stdout.write(f"Would delete {_say(count_prunable(before))} that ended over {days} days ago.")
            return
        pruned = Pruned()
        while (some := prune_some(before)).runs:
            pruned += some
        self.stdout.write(f"Deleted {_say(pruned)} that ended over {days} days ago.")


def _say(pruned: Pruned) -> str:
    return f"{pruned.events} events and {pruned.deltas} deltas of {pruned.runs} runs"
