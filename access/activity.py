"""The activity log: who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from access.models import Activity, Person


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody acting: a person, and through what (the dashboard, or a key's name)."""

    person: Person | None
    via: str

    def __str__(self) -> str:
        return self.person.username if self.person else self.via


def actor_of(request: HttpRequest) -> Actor:
    """The person who asks for a page."""
    return Actor(request.user if isinstance(request.user, Person) else None, "dashboard")


def note(
    actor: Actor, verb: str, *, target_id: str, target_name: str, changes: Mapping[str, Any] | None = None
) -> None:
    """Write one line: `changes` is {field: [before, after]}. Call it in the transaction of the change itself."""
    Activity.objects.create(
        person=actor.person,
        via=actor.via,
        verb=verb,
        target_id=target_id,
        target_name=target_name[:200],
        changes=dict(changes or {}),
    )
