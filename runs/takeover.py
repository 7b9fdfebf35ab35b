"""Taking a run, new or left by a worker that died, and finding out from its rows where it stands (rule 6.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from agents.models import Agent
from engine.events import ApprovalDecided, DecisionFact, Event, InputMessage, RunStarted
from engine.rule_solver import PastCall
from engine.specs import CallState, ClientReturn, Decision, OpenBatch, Outcome, RunStatus, StopReason, ToolResult
from engine.specs import ToolCall as CallSpec
from engine.tokens import calibrate
from engine.turn import Turn
from llms.types import Usage
from runs.closing import close_unstarted
from runs.contents import content_text
from runs.history import turn_history
from runs.leases import abandoned_runs
from runs.models import Message, Run, RunEvent, Step, ToolCall

PENDING_APPROVAL_TEXT = (
    "PENDING_APPROVAL: the run before this one ended with tool calls that wait for approval. "
    "Approve or deny them, then send the message again."
)
_OVERLOOKED_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is ours under this epoch."""

    run_id: str
    agent_id: str
    epoch: int
    last_seq: int
    last_delta_seq: int
    created_at: datetime


def claim_waiting(worker: str, agent_id: str | None = None, at_most: int = 50) -> list[Claim]:
    """Take the oldest waiting run of each agent (or of this one) that has none running."""
    with transaction.atomic():
        return [claim for run in _next_runs(agent_id, at_most) if (claim := _claim(run, worker)) is not None]


def claim_abandoned(worker: str, at_most: int) -> list[Claim]:
    """Take running runs whose worker is gone; one whose row it still holds in a transaction, another time."""
    with transaction.atomic():
        free = abandoned_runs().select_for_update(skip_locked=connection.vendor == "postgresql")
        found = free.exclude(worker=worker).order_by("created_at")[:at_most]
        return [claim for run in found if (claim := _take(run, worker)) is not None]


def strays(worker: str, under_way: Sequence[str]) -> list[str]:
    """Runs that are this worker's by their rows but not under way: the answer of a claim was lost, say."""
    mine = Run.objects.running().filter(worker=worker).exclude(pk__in=under_way)
    return list(mine.values_list("pk", flat=True))


def claim_again(worker: str, run_ids: Sequence[str]) -> list[Claim]:
    """Take these runs of this worker under a new epoch."""
    with transaction.atomic():
        mine = Run.objects.running().filter(worker=worker, pk__in=run_ids)
        return [claim for run in mine if (claim := _take(run, worker)) is not None]


def overlooked_agents(at_most: int) -> list[str]:
    """Agents that are free while a run has waited for so long that the engine must have lost its job."""
    busy = Run.objects.running().filter(agent=OuterRef("agent"))
    before = timezone.now() - _OVERLOOKED_AFTER
    waiting = Run.objects.filter(status=RunStatus.CREATED, created_at__lt=before).filter(~Exists(busy))
    return list(waiting.order_by("agent_id").values_list("agent_id", flat=True).distinct()[:at_most])


def cancelled_among(run_ids: Sequence[str]) -> list[str]:
    """Which of these runs somebody wants cancelled."""
    wanted = Run.objects.filter(pk__in=run_ids, cancel_requested_at__isnull=False)
    return list(wanted.values_list("pk", flat=True))


def is_cancel_requested(run_id: str) -> bool:
    """Whether somebody wants this run cancelled."""
    return bool(cancelled_among([run_id]))


def _next_runs(agent_id: str | None, at_most: int) -> list[Run]:
    busy = Run.objects.running().filter(agent=OuterRef("agent"))
    waiting = Run.objects.filter(status=RunStatus.CREATED).filter(~Exists(busy)).order_by("created_at", "id")
    if agent_id is not None:
        # The row lock makes two workers that look at one agent see each other.
        Agent.objects.select_for_update(no_key=True).filter(pk=agent_id).first()
        waiting = waiting.filter(agent_id=agent_id)
    first_of_agent: dict[str, Run] = {}
    for run in waiting[: at_most * 4]:
        first_of_agent.setdefault(run.agent_id, run)
    return list(first_of_agent.values())[:at_most]


def _claim(run: Run, worker: str) -> Claim | None:
    undecided = Run.objects.awaiting_approval().filter(agent_id=run.agent_id, conversation_id=run.conversation_id)
    if not run.decisions and undecided.exists():
        close_unstarted(run, StopReason.ERROR, PENDING_APPROVAL_TEXT)
        return None
    return _take(run, worker)


def _take(run: Run, worker: str) -> Claim | None:
    """The run under a new epoch; None where another worker was faster."""
    epoch = run.epoch + 1
    same = Run.objects.filter(pk=run.pk, epoch=run.epoch, status=run.status)
    if not same.update(status=RunStatus.RUNNING, epoch=epoch, worker=worker):
        return None
    run.refresh_from_db(fields=["last_seq", "last_delta_seq"])
    return Claim(run.pk, run.agent_id, epoch, run.last_seq, run.last_delta_seq, run.created_at)


@dataclass(frozen=True, slots=True)
class Start:
    """What is to be recorded first, and how the run is to go on."""

    events: tuple[Event, ...]
    max_steps: int
    is_cancelled: bool
    only_compacts: bool = False


def load_start(claim: Claim) -> Start:
    """Read a claimed run. Record the events before `load_turn`: with `run.started` its messages join the history."""
    run = Run.objects.select_related("agent").get(pk=claim.run_id)
    messages = tuple(
        InputMessage(message.role, content_text(message.content), message.pk) for message in sent_messages(run)
    )
    started = RunStarted(run.agent_id, run.agent.name, run.agent.model, claim.epoch, run.resumes_run_id, messages)
    events: tuple[Event, ...] = (started,)
    if run.decisions and not RunEvent.objects.filter(run=run, type=ApprovalDecided.type).exists():
        events += (_decided(run),)
    return Start(events, run.max_steps, run.cancel_requested_at is not None, "compacts" in run.request)


def sent_messages(run: Run) -> list[Message]:
    """What the run was started with; an answer of the model has a step, one that was sent has none."""
    sent = Message.objects.filter(run=run, role__in=["user", "system", "assistant"], step=None)
    return list(sent.order_by("created_at", "id"))


def _decided(run: Run) -> ApprovalDecided:
    call_ids = [decision["call_id"] for decision in run.decisions]
    step_id = ToolCall.objects.filter(pk__in=call_ids).values_list("step_id", flat=True)[0]
    facts = tuple(
        DecisionFact(item["call_id"], item["approve"], item["reason"], is_returned="returned" in item)
        for item in run.decisions
    )
    return ApprovalDecided(step_id, facts, run.started_by)


def load_turn(run_id: str) -> Turn:
    """The turn as the rows tell it: history, calls so far, the open batch."""
    run = Run.objects.select_related("agent", "conversation").get(pk=run_id)
    chain = chain_ids(run)
    steps = list(Step.objects.filter(run_id__in=chain, responded_at__isnull=False))
    pending = Step.objects.filter(run=run, responded_at=None).first()
    return Turn(
        messages=turn_history(run, chain),
        past=_past_calls(chain),
        batch=open_batch(run),
        steps=len(steps),
        open_step=pending.pk if pending else None,
        usage=sum((Usage(**step.usage) for step in steps if step.run_id == run_id), Usage()),
        calibration=calibration_of(run.agent_id, run.conversation_id),
    )


def calibration_of(agent_id: str, conversation_id: str | None) -> float:
    """By what to multiply estimates of tokens, as the last answer in this history showed (see engine.tokens)."""
    answered = Step.objects.filter(run__agent_id=agent_id, run__conversation_id=conversation_id)
    last = answered.exclude(responded_at=None).order_by("-responded_at").first()
    return calibrate(last.usage.get("prompt_tokens", 0), last.estimated_tokens) if last else 1.0


def chain_ids(run: Run) -> list[str]:
    """The run and those it resumes, oldest first."""
    ids = [run.pk]
    while run.resumes_run is not None:
        run = run.resumes_run
        ids.insert(0, run.pk)
    return ids


def open_batch(run: Run) -> OpenBatch | None:
    """The batch of the run's last step (or of the step it resumes) whose returns have not joined the history yet."""
    history = Message.objects.filter(agent_id=run.agent_id, conversation_id=run.conversation_id)
    last = history.filter(role__in=["assistant", "tool"]).order_by("-position").first()
    if last is None or last.role != "assistant" or not last.calls or last.step_id is None:
        return None
    calls = list(ToolCall.objects.filter(step_id=last.step_id).order_by("index"))
    return OpenBatch(
        step_id=last.step_id,
        calls=tuple(CallSpec(call.pk, call.name, call.arguments, call.index) for call in calls),
        decisions=tuple(map(_decision, run.decisions)),
        finished={call.pk: result_of(call) for call in calls if call.is_ended},
        attempts={call.pk: call.attempt for call in calls},
        running=frozenset(call.pk for call in calls if call.state == CallState.RUNNING),
    )


def _decision(stored: Mapping[str, Any]) -> Decision:
    returned = stored.get("returned")
    return Decision(
        stored["call_id"], stored["approve"], stored["reason"], ClientReturn(**returned) if returned else None
    )


def result_of(call: ToolCall) -> ToolResult:
    """The result that an ended call's row holds."""
    return ToolResult(call.pk, Outcome(call.state), call.text, call.full_text, call.stdout, call.stderr)


def _past_calls(chain: Sequence[str]) -> list[PastCall]:
    """Calls of batches that are closed; those of the open one are told as it is carried out."""
    closed = Step.objects.filter(run_id__in=chain, messages__role="tool")
    calls = ToolCall.objects.filter(step__in=closed, ended_at__isnull=False).order_by("ended_at", "phase", "index")
    return [PastCall(call.name, call.text, Outcome(call.state), has_run=call.attempt > 0) for call in calls]


def waiting_agents(agent_id: str | None = None) -> list[str]:
    """Agents that have a run waiting and none running; of one agent: itself, or nothing."""
    busy = Run.objects.running().filter(agent=OuterRef("agent"))
    waiting = Run.objects.filter(status=RunStatus.CREATED).filter(~Exists(busy))
    if agent_id is not None:
        waiting = waiting.filter(agent_id=agent_id)
    return list(waiting.order_by("agent_id").values_list("agent_id", flat=True).distinct())


def note_job(run_id: str, job_id: int | None) -> None:
    """Which job runs this run, for those who want to cancel it."""
    Run.objects.filter(pk=run_id).update(job_id=job_id)
