"""What of a history stays in the context window, and what is summarised: decides and touches nothing.

A batch is never split: an answer with calls and the returns of those calls stay or go together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from engine.specs import CompactionMode, CompactionSettings
from engine.tokens import tokens_of_messages
from llms.types import ModelMessage, Role


class Trigger(StrEnum):
    """Why messages leave the window: they would soon not fit, the provider said they do not, somebody asked for it."""

    CONTEXT_WINDOW = "context_window"
    CONTEXT_WINDOW_EXCEEDED = "context_window_exceeded"
    REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class Cut:
    """A history in two: what is summarised, an earlier summary included, and what stays."""

    left_out: tuple[ModelMessage, ...]
    kept: tuple[ModelMessage, ...]

    @property
    def is_worthwhile(self) -> bool:
        """Whether anything is left out that is not a summary already."""
        return any(not message.is_summary for message in self.left_out)


def cut_history(
    messages: Sequence[ModelMessage], settings: CompactionSettings, trigger: Trigger, keep_tokens: int
) -> Cut | None:
    """Where to cut; None where nothing can go. `keep_tokens` is how much may stay in a sliding window.

    What the model has not answered yet stays always. Where the window slides but everything fits into it, the older half
    goes after a refusal of the provider, and everything when somebody asked for it.
    """
    units = _units(messages)
    unanswered = _unanswered(units)
    if settings.mode is CompactionMode.ALL:
        return _worthwhile(units, unanswered)
    fitting = max(_fitting(units, keep_tokens), unanswered)
    cut = _worthwhile(units, fitting)
    if cut is not None:
        return cut
    match trigger:
        case Trigger.CONTEXT_WINDOW_EXCEEDED:
            return _worthwhile(units, max(len(units) // 2, unanswered))
        case Trigger.REQUESTED:
            return _worthwhile(units, unanswered)
        case Trigger.CONTEXT_WINDOW:
            return None


def _units(messages: Sequence[ModelMessage]) -> list[tuple[ModelMessage, ...]]:
    """The history in what cannot be split: a message, or an answer with the returns of its calls."""
    units: list[list[ModelMessage]] = []
    for message in messages:
        if message.role is Role.TOOL and units:
            units[-1].append(message)
        else:
            units.append([message])
    return [tuple(unit) for unit in units]


def _unanswered(units: Sequence[tuple[ModelMessage, ...]]) -> int:
    """How many units at the end the model has not answered yet."""
    count = 0
    for unit in reversed(units):
        if unit[0].role is Role.ASSISTANT:
            has_returns = unit[-1].role is Role.TOOL
            return count or (1 if has_returns else 0)
        count += 0 if unit[0].is_summary else 1
    return count


def _fitting(units: Sequence[tuple[ModelMessage, ...]], keep_tokens: int) -> int:
    """How many units at the end fit."""
    count = 0
    for unit in reversed(units):
        keep_tokens -= tokens_of_messages(unit)
        if keep_tokens < 0:
            break
        count += 1
    return count


def _worthwhile(units: Sequence[tuple[ModelMessage, ...]], kept: int) -> Cut | None:
    at = len(units) - kept
    cut = Cut(
        tuple(message for unit in units[:at] for message in unit),
        tuple(message for unit in units[at:] for message in unit),
    )
    return cut if cut.is_worthwhile else None
