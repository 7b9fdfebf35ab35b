"""The conversation with an agent, as the Simulator shows it: run after run, each drawn from its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from agents.models import Agent
from engine.specs import RunStatus
from runs.contents import content_text
from runs.models import Conversation, Message, Run
from runs.picture import RunPicture
from runs.presentation import CARD_CALLS, Presenter
from runs.reading import picture_of
from runs.shown import PendingView, RunView

RUNS_AT_ONCE = 12


@dataclass(frozen=True, slots=True)
class Said:
    """A message as a bubble shows it."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run of the conversation. `is_decided`: another run carries its held calls out."""

    run_id: str
    run: RunView
    messages: list[Said]
    at: datetime
    position: int
    is_queued: bool
    is_decided: bool


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """A message that belongs to no run: of an imported agent, say."""

    message: Said
    at: datetime


@dataclass(frozen=True, slots=True)
class Talk:
    """What the Simulator shows, oldest first. `earlier_than` is the id of the first run where there are earlier ones, else ""."""

    entries: list[RunEntry | MessageEntry]
    earlier_than: str


def talk_with(agent: Agent, conversation: Conversation | None = None, *, before: Run | None = None) -> Talk:
    """The latest runs in a conversation (None: in the agent's own history), or the latest before one of them."""
    runs = Run.objects.filter(agent=agent, conversation=conversation)
    if before is not None:
        runs = runs.filter(created_at__lt=before.created_at)
    newest_first = list(runs.order_by("-created_at", "-id")[: RUNS_AT_ONCE + 1])
    shown = newest_first[:RUNS_AT_ONCE][::-1]
    has_earlier = len(newest_first) > RUNS_AT_ONCE
    loose = _loose_messages(agent, conversation, shown, before, has_earlier=has_earlier)
    entries: list[RunEntry | MessageEntry] = [*loose]
    entries.extend(entry(run) for run in shown)
    entries.sort(key=lambda one: one.at)
    return Talk(entries, shown[0].pk if has_earlier else "")


def newer_runs(agent: Agent, conversation: Conversation | None, than: Run | None) -> list[RunEntry]:
    """The runs that have begun since, and those whose approvals they carry out, as they look now."""
    runs = Run.objects.filter(agent=agent, conversation=conversation).select_related("resumes_run")
    if than is not None:
        runs = runs.filter(created_at__gt=than.created_at)
    found = list(runs.order_by("created_at", "id")[:RUNS_AT_ONCE])
    decided = [run.resumes_run for run in found if run.resumes_run is not None and run.resumes_run not in found]
    return [entry(run) for run in (*decided, *found)]


def entry(run: Run) -> RunEntry:
    """One run as it stands."""
    picture = picture_of(run)
    return RunEntry(
        run_id=run.pk,
        run=Presenter(picture, timezone.now(), CARD_CALLS).run(),
        messages=messages_of(run, picture),
        at=run.created_at,
        position=round(run.created_at.timestamp() * 1_000_000),
        is_queued=run.status == RunStatus.CREATED,
        is_decided=is_decided(run),
    )


def is_decided(run: Run) -> bool:
    """Whether another run carries out the decisions on this one's calls."""
    return Run.objects.filter(resumes_run_id=run.pk).exists()


def messages_of(run: Run, picture: RunPicture) -> list[Said]:
    """What the run was started with; of a run that waits its turn, what it will be started with."""
    if picture.messages:
        return [Said(message.role, message.text) for message in picture.messages]
    return [Said(str(message.get("role", "user")), content_text(message.get("content", ""))) for message in run.input]


def with_typed(pending: list[PendingView], typed: dict[str, tuple[str, str]]) -> list[PendingView]:
    """The pending calls with what a person has entered for them: {call id: (choice, reason)}."""
    return [PendingView(item.call, *typed.get(item.call.id, ("", ""))) for item in pending]


def _loose_messages(
    agent: Agent, conversation: Conversation | None, shown: list[Run], before: Run | None, *, has_earlier: bool
) -> list[MessageEntry]:
    history = Message.objects.filter(agent=agent, conversation=conversation, position__isnull=False)
    messages = history.filter(run=None, role__in=["user", "assistant"])
    if has_earlier and shown:
        messages = messages.filter(created_at__gte=shown[0].created_at)
    if before is not None:
        messages = messages.filter(created_at__lt=before.created_at)
    latest = list(messages.order_by("-position")[:60])[::-1]
    return [MessageEntry(Said(one.role, content_text(one.content)), one.created_at) for one in latest]
