"""What a batch would have taken with other switches, from the durations that its calls had."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from engine.timing import BatchTiming


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """Phases of call ids as rule 2.1 makes them, and the seconds they would take.

    `wall` holds the calls alone: no caps, no lock groups, none of the time between the calls. `saved` is the sum of the
    durations less `wall`, and so never below 0.
    """

    phases: tuple[tuple[str, ...], ...]
    wall: float
    saved: float


def reschedule(batch: BatchTiming, parallel_tools: Collection[str], *, is_flag_on: bool = True) -> Rescheduled:
    """The batch as if exactly these tools were parallel-enabled. A call that has no duration yet counts as 0 seconds."""
    took = {call.id: call.duration or 0.0 for call in batch.calls}
    names = frozenset(parallel_tools) if is_flag_on else frozenset()
    together = tuple(call.id for call in batch.calls if call.name in names)
    phases: list[tuple[str, ...]] = [(call.id,) for call in batch.calls if call.name not in names]
    phases += [together] if together else []
    wall = sum((max(took[call_id] for call_id in phase) for phase in phases), 0.0)
    return Rescheduled(tuple(phases), wall, sum(took.values()) - wall)
