"""The context window on the agent page: a bar with its parts, and Summarise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_POST, require_safe

from agents.models import Agent
from engine.compaction import FULL_SHARE
from runs.compacting import start_compaction
from runs.context_window import ContextWindow, Part, context_window
from runs.dispatch import DispatchProblem
from runs.models import Conversation

_WIDTH = 1_000
_LEAST_WIDTH = 4
"""Of the bar's drawing, in its own units: a part that is not empty can be seen."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part's place on the bar, in the drawing's units."""

    part: Part
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Meter:
    """The window as it is drawn. `full_at` is the place on the bar from which on older messages are summarised."""

    window: ContextWindow
    stretches: tuple[Stretch, ...]
    percent: int
    full_at: float
    width: int = _WIDTH

    @property
    def is_full(self) -> bool:
        return self.window.used > self.window.size * FULL_SHARE


@require_safe
def panel(request: HttpRequest, agent_id: str) -> HttpResponse:
    """The meter of the agent's own history, or of the conversation that the request names."""
    agent = get_object_or_404(Agent, pk=agent_id)
    return _panel(request, agent, _chosen(agent, request.GET))


@require_POST
def summarise(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Have the older messages summarised now; the run that does it shows in the conversation."""
    agent = get_object_or_404(Agent, pk=agent_id)
    conversation = _chosen(agent, request.POST)
    try:
        start_compaction(agent, conversation, {}, started_by=request.user.get_username())
    except DispatchProblem as problem:
        return _panel(request, agent, conversation, problem.text)
    return _panel(request, agent, conversation, "Older messages are being summarised.")


def meter_of(window: ContextWindow) -> Meter:
    """How the window is drawn."""
    percent = round(100 * window.used / window.size) if window.size else 100
    return Meter(window, tuple(_stretches(window)), percent, _WIDTH * FULL_SHARE)


def _stretches(window: ContextWindow) -> Iterator[Stretch]:
    # What does not fit is drawn as a full bar.
    whole = max(window.size, window.used, 1)
    x = 0.0
    for part in window.parts:
        width = min(max(part.tokens * _WIDTH / whole, _LEAST_WIDTH), _WIDTH - x) if part.tokens else 0.0
        if width > 0:
            yield Stretch(part, round(x, 1), round(width, 1))
        x += width


def _panel(request: HttpRequest, agent: Agent, conversation: Conversation | None, note: str = "") -> HttpResponse:
    context = {
        "agent": agent,
        "conversation": conversation,
        "meter": meter_of(context_window(agent, conversation)),
        "note": note,
    }
    return render(request, "runs/context_window.html", context)


def _chosen(agent: Agent, fields: QueryDict) -> Conversation | None:
    key = fields.get("conversation", "")
    return get_object_or_404(agent.conversations, pk=key) if key else None
