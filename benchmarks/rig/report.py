"""Figures, beside what they ought to be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured thing. `goal` is the most it may be, in the same unit; None where there is none."""

    what: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.value <= self.goal


def show(title: str, figures: Sequence[Figure]) -> bool:
    """Print them as a table; whether all goals are met."""
    print(f"\n{title}")
    width = max(len(figure.what) for figure in figures)
    for figure in figures:
        goal = "" if figure.goal is None else f"   goal {figure.goal:>8,.6g} {figure.unit}"
        mark = "" if figure.goal is None else ("   ok" if figure.is_met else "   MISSED")
        print(f"  {figure.what:<{width}}  {figure.value:>10,.4g} {figure.unit:<2}{goal}{mark}")
    return all(figure.is_met for figure in figures)


def median_seconds(once: Callable[[], object], *, times: int) -> float:
    """The median of so many runs, after one that warms up."""
    once()
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)
