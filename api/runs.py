"""/v1/runs: what happened and is happening."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import Query, Router, Schema
from pydantic import Field

from api.addressed import DEFAULT
from api.lookup import find
from api.message_pages import MessageFilter, ordered_page
from api.paging import Cursor, cut, page_of
from api.schemas.messages import Wire
from api.schemas.runs import run_state, run_usage, step_state
from api.schemas.steps import run_metrics
from api.sse import Listening, event_stream
from runs.database import in_database
from runs.models import Message, Run, Step
from runs.removal import delete_run
from runs.spans import Span, spans_of

router = Router(tags=["Runs"])


class RunFilter(Cursor):
    """Which runs to list."""

    agent_id: str | None = None
    agent_ids: list[str] = []
    statuses: list[str] = []
    stop_reason: str | None = None
    conversation_id: str | None = None
    background: bool | None = None
    active: bool = False
    ascending: bool | None = None

    def choose(self) -> QuerySet[Run]:
        """The runs that fit."""
        runs: QuerySet[Run] = (Run.objects.live() if self.active else Run.objects.all()).select_related("callback")
        agents = [*self.agent_ids, *([self.agent_id] if self.agent_id else [])]
        if agents:
            runs = runs.filter(agent_id__in=agents)
        if self.statuses:
            runs = runs.filter(status__in=self.statuses)
        if self.stop_reason:
            runs = runs.filter(stop_reason=self.stop_reason)
        if self.conversation_id:
            runs = runs.filter(conversation=None if self.conversation_id == DEFAULT else self.conversation_id)
        if self.background is not None:
            runs = runs.filter(is_background=self.background)
        return runs.select_related("callback")


class Resume(Schema):
    """From where to stream a run: behind the chunk with this `seq_id`, 0 for the start."""

    starting_after: int = 0
    include_pings: bool | None = True


class SpanLimit(Schema):
    """How many spans of a trace to give at most."""

    limit: int = Field(1000, ge=1, le=10_000)


@router.get("/runs")
def list_runs(request: HttpRequest, chosen: Query[RunFilter]) -> list[Wire]:
    """Runs, newest first."""
    page = page_of(chosen, order="asc" if chosen.ascending else "desc", limit=100)
    return [run_state(run) for run in cut(chosen.choose(), page)]


@router.get("/runs/active")
def list_active(request: HttpRequest, chosen: Query[RunFilter]) -> list[Wire]:
    """Runs that wait or run, newest first."""
    live = chosen.model_copy(update={"active": True})
    return [run_state(run) for run in cut(live.choose(), page_of(chosen, limit=100))]


@router.get("/runs/{run_id}")
def retrieve(request: HttpRequest, run_id: str) -> Wire:
    """One run."""
    return run_state(find(Run.objects.all(), run_id, "Run"))


@router.delete("/runs/{run_id}")
def delete(request: HttpRequest, run_id: str) -> None:
    """Delete a run that is over. What was said stays in the agent's history."""
    delete_run(find(Run.objects.all(), run_id, "Run"))


@router.get("/runs/{run_id}/messages")
def list_messages(request: HttpRequest, run_id: str, chosen: Query[MessageFilter]) -> list[Wire]:
    """What the run added to the history, oldest first."""
    run = find(Run.objects.all(), run_id, "Run")
    return ordered_page(Message.objects.filter(run=run), chosen)


@router.get("/runs/{run_id}/steps")
def list_steps(request: HttpRequest, run_id: str, cursor: Query[Cursor]) -> list[Wire]:
    """The run's steps, newest first."""
    run = find(Run.objects.all(), run_id, "Run")
    steps = Step.objects.filter(run=run).select_related("run")
    return [step_state(step) for step in cut(steps, page_of(cursor, limit=100))]


@router.get("/runs/{run_id}/usage")
def usage(request: HttpRequest, run_id: str) -> dict[str, Any]:
    """The run's token counts."""
    return run_usage(find(Run.objects.all(), run_id, "Run"))


@router.get("/runs/{run_id}/metrics")
def metrics(request: HttpRequest, run_id: str) -> Wire:
    """What the run took."""
    return run_metrics(find(Run.objects.all(), run_id, "Run"))


@router.get("/runs/{run_id}/trace")
def trace(request: HttpRequest, run_id: str, chosen: Query[SpanLimit]) -> list[Span]:
    """The run as spans: the run, its steps, the questions to the model, the calls. Times are nanoseconds since 1970."""
    return spans_of(find(Run.objects.all(), run_id, "Run"), chosen.limit)


@router.post("/runs/{run_id}/stream")
async def stream(request: HttpRequest, run_id: str, body: Resume | None = None) -> HttpResponseBase:
    """Stream a run, live or over, from any point; in pieces where it was started so."""
    run = await in_database(find, Run.objects.all(), run_id, "Run")
    wanted = body or Resume()
    return event_stream(
        run.pk,
        Listening(run.is_token_streamed, wanted.include_pings is not False, after=max(wanted.starting_after, 0)),
    )
