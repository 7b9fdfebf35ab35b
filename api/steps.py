"""/v1/steps: the model's answers, one by one."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router

from api.lookup import find
from api.message_pages import MessageFilter, ordered_page
from api.paging import Cursor, cut, page_of
from api.schemas.messages import Wire
from api.schemas.runs import step_state
from runs.models import Message, Step

router = Router(tags=["Steps"])


class StepFilter(Cursor):
    """Which steps to list."""

    agent_id: str | None = None
    model: str | None = None
    start_date: datetime | None = None
    end_date: datetime | None = None

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
        return steps


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
