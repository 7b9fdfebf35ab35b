"""/v1/steps: the model's answers, one by one."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema

from access.json_lists import holding
from api.lookup import find
from api.message_pages import MessageFilter, ordered_page
from api.paging import Cursor, cut, page_of
from api.schemas.messages import Wire
from api.schemas.runs import step_state
from api.schemas.steps import provider_trace, step_metrics
from runs.models import Message, ProviderTrace, Step
from runs.step_facts import judge_step

router = Router(tags=["Steps"])


class StepFilter(Cursor):
    """Which steps to list."""

    agent_id: str | None = None
    model: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None
    feedback: Literal["positive", "negative"] | None = None
    has_feedback: bool | None = None
    tags: list[str] = []
    trace_ids: list[str] = []
    project_id: str | None = None

    def choose(self) -> QuerySet[Step]:
        """The steps that fit."""
        steps = Step.objects.select_related("run")
        if self.agent_id:
            steps = steps.filter(run__agent_id=self.agent_id)
        if self.model:
            steps = steps.filter(model=self.model) | steps.filter(model__endswith=f"/{self.model}")
        if self.start_date:
            steps = steps.filter(created_at__gt=self.start_date)
        if self.end_date:
            steps = steps.filter(created_at__lt=self.end_date)
        if self.feedback:
            steps = steps.filter(feedback=self.feedback)
        if self.has_feedback is not None:
            steps = steps.exclude(feedback="") if self.has_feedback else steps.filter(feedback="")
        if self.trace_ids or self.project_id:
            return steps.none()  # no step here belongs to a project, or to a trace that the server has told of
        return steps.filter(holding("tags", self.tags))


class Feedback(Schema):
    """What somebody thinks of a step. Null takes the feedback back; what is not sent stays; `tags` are added."""

    feedback: Literal["positive", "negative"] | None = None
    tags: list[str] | None = None


@router.get("/steps")
def list_steps(request: HttpRequest, chosen: Query[StepFilter]) -> list[Wire]:
    """Steps, newest first."""
    return [step_state(step) for step in cut(chosen.choose(), page_of(chosen))]


@router.get("/steps/{step_id}")
def retrieve(request: HttpRequest, step_id: str) -> Wire:
    """One step."""
    return step_state(find(Step.objects.select_related("run"), step_id, "Step"))


@router.get("/steps/{step_id}/messages")
def list_messages(request: HttpRequest, step_id: str, chosen: Query[MessageFilter]) -> list[Wire]:
    """The step's messages, oldest first."""
    step = find(Step.objects.all(), step_id, "Step")
    return ordered_page(Message.objects.filter(step=step), chosen)


@router.patch("/steps/{step_id}/feedback")
def give_feedback(request: HttpRequest, step_id: str, body: Feedback) -> Wire:
    """Say whether a step was good."""
    step = find(Step.objects.all(), step_id, "Step")
    feedback = (body.feedback or "") if "feedback" in body.model_fields_set else None
    return step_state(judge_step(step, feedback=feedback, tags=body.tags or []))


@router.get("/steps/{step_id}/metrics")
def metrics(request: HttpRequest, step_id: str) -> Wire:
    """What the step took."""
    return step_metrics(find(Step.objects.select_related("run"), step_id, "Step"))


@router.get("/steps/{step_id}/trace")
def trace(request: HttpRequest, step_id: str) -> Wire | None:
    """What was sent to the model and what came back; null where it is not kept (any more)."""
    step = find(Step.objects.select_related("run__agent"), step_id, "Step")
    kept = ProviderTrace.objects.filter(step=step).first()
    return None if kept is None else provider_trace(step, kept)
