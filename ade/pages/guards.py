"""The sandbox's guards in words for a page."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.levels import MEANINGS, WITHOUT, Guard, Level


@dataclass(frozen=True, slots=True)
class GuardFacts:
    """One guard. `why_off` and `instead` are empty where it is on."""

    title: str
    meaning: str
    is_on: bool
    why_off: str = ""
    instead: str = ""


def guard_facts(level: Level) -> list[GuardFacts]:
    """Every guard, those that are on first."""
    facts = [_facts(guard, level) for guard in Guard]
    return sorted(facts, key=lambda fact: not fact.is_on)


def _facts(guard: Guard, level: Level) -> GuardFacts:
    title, _, meaning = MEANINGS[guard].partition(": ")
    if level.has(guard):
        return GuardFacts(title, meaning, is_on=True)
    return GuardFacts(title, meaning, False, level.off.get(guard, ""), WITHOUT.get(guard, ""))
