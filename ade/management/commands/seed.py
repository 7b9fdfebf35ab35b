from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ade.demo import DEMO_MESSAGE, seed_demo
from tools.built_in import ensure


class Command(BaseCommand):
    help = "Make the demo agent and its tools, where there has never been an agent, and add missing built-in tools."

    def handle(self, *args: Any, **options: Any) -> None:
        agent = seed_demo()
        ensure()
        if agent is not None:
            self.stdout.write(f'The demo agent "{agent.name}" is ready. Try: {DEMO_MESSAGE}')
