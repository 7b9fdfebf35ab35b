"""What happens on Send: a run is stored with its message and the worker is woken; approvals and cancels likewise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from engine.specs import CallState, Decision, RunStatus, StopReason
from runs.callbacks import expect_callback
from runs.closing import close_unstarted
from runs.engines import engine
from runs.models import Conversation, Message, Run, RunQuerySet, ToolCall
from runs.repeats import earlier_try
from runs.requests import client_tool_names

CANCELLED_BY_USER = "The user cancelled the request, so the tool call was denied."


class DispatchProblem(Exception):
    """A run could not be started; `text` says what to do."""

    def __init__(self, text: str, run_id: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.run_id = run_id


class PendingApproval(DispatchProblem):
    """Calls wait for a decision; until then no message is taken (rule 5.1)."""

    def __init__(self, run_id: str, call_ids: Sequence[str]) -> None:
        text = "The agent waits for approval of tool calls. Approve or deny them before you send another message."
        super().__init__(text, run_id)
        self.call_ids = tuple(call_ids)


class AgentBusy(DispatchProblem):
    """Another run of the agent is under way and the sender did not want to wait (rule 6.4)."""


class NothingPending(DispatchProblem):
    """No call of the agent waits for a decision."""


class WrongCalls(DispatchProblem):
    """The decisions do not cover exactly the pending calls (rule 5.1)."""

    def __init__(self, expected: Sequence[str], got: Sequence[str], run_id: str) -> None:
        text = f"Invalid tool call IDs. Expected {', '.join(expected)}, but received {', '.join(got) or 'none'}."
        super().__init__(text, run_id)
        self.expected = tuple(expected)


class AlreadyDecided(DispatchProblem):
    """These calls were decided differently before."""


class ClientsCalls(DispatchProblem):
    """Calls that the sender runs itself were approved: there is nobody here to run them."""


class NothingToCancel(DispatchProblem):
    """No run is waiting or running."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is to be run, besides its input."""

    max_steps: int = 50
    is_background: bool = False
    is_token_streamed: bool = False
    request: Mapping[str, Any] = field(default_factory=dict)


def start_run(
    agent: Agent,
    messages: Sequence[Mapping[str, Any]],
    *,
    started_by: str,
    conversation: Conversation | None = None,
    max_steps: int = 50,
    is_background: bool = False,
    is_token_streamed: bool = False,
    request: Mapping[str, Any] | None = None,
    callback_url: str = "",
    digest: str = "",
    retry_count: int = 0,
    rejects_when_busy: bool = False,
) -> Run:
    """Store a run for these messages, {"role", "content", "otid"?, "name"?, "sender_id"?} each; it waits its turn.

    They join the history of the conversation, None being the agent's own. `request` is what else the sender asks for (see
    runs.requests); `callback_url` is told of the run's end. A client's automatic retry gets the run that its first try
    started. Raises PendingApproval, AgentBusy.
    """
    with transaction.atomic():
        # The row lock makes two senders of one agent see each other; `no_key`, because who writes messages refers to it.
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        earlier = earlier_try(agent, digest) if digest and retry_count else None
        if earlier is not None:
            return earlier
        _refuse_while_undecided(agent, conversation)
        busy = agent.runs.live().first() if rejects_when_busy else None
        if busy is not None:
            raise AgentBusy("The agent is busy with another run. Wait until it has ended, or cancel it.", busy.pk)
        run = Run.objects.create(
            agent=agent,
            conversation=conversation,
            input=[dict(message) for message in messages],
            started_by=started_by[:120],
            max_steps=max_steps,
            is_background=is_background,
            is_token_streamed=is_token_streamed,
            request=dict(request or {}),
            request_digest=digest,
        )
        _store_messages(run, messages)
        expect_callback(run, callback_url)
        Conversation.objects.filter(pk=run.conversation_id).update(last_message_at=run.created_at)
        engine().submit(run)
    return run


def decide(
    agent: Agent,
    decisions: Sequence[Decision],
    *,
    decided_by: str,
    conversation: Conversation | None = None,
    max_steps: int = 50,
    is_background: bool = False,
    is_token_streamed: bool = False,
    request: Mapping[str, Any] | None = None,
    callback_url: str = "",
) -> Run:
    """Start the run that carries these decisions out (rule 5.2). An identical repeat gives the run it started.

    What the sender asked of the waiting run holds on, unless `request` says it anew. Raises NothingPending, WrongCalls,
    AlreadyDecided, ClientsCalls.
    """
    with transaction.atomic():
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        waiting = pending_run(agent, conversation)
        if waiting is None:
            return _repeat(agent, conversation, decisions)
        _check_coverage(waiting, decisions)
        _check_clients_calls(waiting, decisions)
        options = Options(max_steps, is_background, is_token_streamed, {**waiting.request, **(request or {})})
        run = _start_decision(waiting, decisions, decided_by, options)
        expect_callback(run, callback_url)
        engine().submit(run)
    return run


def cancel_runs(agent: Agent, run_ids: Sequence[str] | None = None) -> dict[str, str]:
    """Ask the worker to cancel these runs, or all of the agent that wait or run, in conversations too; "cancelled" or
    "failed" per run id.

    A run that waits for approval is cancelled by denying its calls. Raises NothingToCancel.
    """
    return _cancel(agent, agent.runs.all(), run_ids)


def cancel_conversation(agent: Agent, conversation: Conversation | None) -> dict[str, str]:
    """As `cancel_runs`, all runs of one conversation; None is the agent's own history."""
    return _cancel(agent, agent.runs.filter(conversation=conversation), None)


def _cancel(agent: Agent, runs: RunQuerySet, run_ids: Sequence[str] | None) -> dict[str, str]:
    with transaction.atomic():
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
        wanted = runs if run_ids is None else runs.filter(pk__in=run_ids)
        chosen = list(wanted.live())
        answers = dict.fromkeys(run_ids or (), "failed")
        for waiting in wanted.awaiting_approval():
            answers[waiting.pk] = "cancelled"
            chosen.append(_deny_all(waiting))
        if not chosen:
            raise NothingToCancel("No run is waiting or running here, so there is nothing to cancel.")
        for run in chosen:
            _request_cancel(run)
            if run.resumes_run_id not in answers:
                answers[run.pk] = "cancelled"
    return answers


def pending_run(agent: Agent, conversation: Conversation | None = None) -> Run | None:
    """The run whose calls wait for a decision in this conversation, None being the agent's own history."""
    run: Run | None = agent.runs.awaiting_approval().filter(conversation=conversation).first()
    return run


def pending_calls(run: Run) -> list[ToolCall]:
    """The calls of such a run that a person must decide, in the model's order."""
    return list(ToolCall.objects.filter(run=run, needs_approval=True, state=CallState.HELD).order_by("index"))


def _refuse_while_undecided(agent: Agent, conversation: Conversation | None) -> None:
    waiting = pending_run(agent, conversation)
    if waiting is not None:
        raise PendingApproval(waiting.pk, [call.pk for call in pending_calls(waiting)])


def _store_messages(run: Run, messages: Sequence[Mapping[str, Any]]) -> None:
    now = timezone.now()
    for number, message in enumerate(messages):
        Message.objects.create(
            agent_id=run.agent_id,
            conversation_id=run.conversation_id,
            run=run,
            role=message["role"],
            content=message["content"],
            name=message.get("name") or "",
            sender_id=message.get("sender_id") or "",
            otid=message.get("otid") or "",
            # They join the history in this order.
            created_at=now + timedelta(microseconds=number),
        )


def _check_coverage(waiting: Run, decisions: Sequence[Decision]) -> None:
    expected = [call.pk for call in pending_calls(waiting)]
    got = [decision.call_id for decision in decisions]
    if sorted(expected) != sorted(got):
        raise WrongCalls(expected, got, waiting.pk)


def _check_clients_calls(waiting: Run, decisions: Sequence[Decision]) -> None:
    names = client_tool_names(waiting.request)
    clients = {call.pk: call.name for call in pending_calls(waiting) if call.name in names}
    approved = [item.call_id for item in decisions if item.is_approved and item.returned is None]
    wrong = [f"{clients[call_id]} ({call_id})" for call_id in approved if call_id in clients]
    if wrong:
        text = f"The client runs these itself: send their returns, or deny them: {', '.join(wrong)}."
        raise ClientsCalls(text, waiting.pk)


def _start_decision(waiting: Run, decisions: Sequence[Decision], decided_by: str, options: Options) -> Run:
    return Run.objects.create(
        agent_id=waiting.agent_id,
        conversation_id=waiting.conversation_id,
        resumes_run=waiting,
        decisions=[_dump(decision) for decision in decisions],
        started_by=decided_by[:120],
        max_steps=options.max_steps,
        is_background=options.is_background,
        is_token_streamed=options.is_token_streamed,
        request=dict(options.request),
    )


def _dump(decision: Decision) -> dict[str, Any]:
    facts: dict[str, Any] = {"call_id": decision.call_id, "approve": decision.is_approved, "reason": decision.reason}
    return facts if decision.returned is None else {**facts, "returned": asdict(decision.returned)}


def _repeat(agent: Agent, conversation: Conversation | None, decisions: Sequence[Decision]) -> Run:
    ids = {decision.call_id for decision in decisions}
    resuming = agent.runs.filter(conversation=conversation).exclude(resumes_run=None)
    for run in resuming.order_by("-created_at")[:20]:
        if ids and ids == {decided["call_id"] for decided in run.decisions}:
            same = sorted(run.decisions, key=_by_call) == sorted(map(_dump, decisions), key=_by_call)
            if same:
                repeated: Run = run
                return repeated
            raise AlreadyDecided("These tool calls were decided before, and differently; it cannot be changed.", run.pk)
    raise NothingPending("No tool call of this agent waits for approval.")


def _by_call(decision: Mapping[str, Any]) -> str:
    call_id: str = decision["call_id"]
    return call_id


def _deny_all(waiting: Run) -> Run:
    denials = [Decision(call.pk, is_approved=False, reason=CANCELLED_BY_USER) for call in pending_calls(waiting)]
    return _start_decision(waiting, denials, "cancel", Options())


def _request_cancel(run: Run) -> None:
    Run.objects.filter(pk=run.pk, cancel_requested_at=None).update(cancel_requested_at=timezone.now())
    if run.status == RunStatus.CREATED and not run.decisions:
        close_unstarted(run, StopReason.CANCELLED, "Cancelled before it began.")
    elif run.status == RunStatus.CREATED:
        engine().submit(run)
    else:
        engine().cancel(run)
