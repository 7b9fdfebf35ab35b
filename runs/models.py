"""What happened and is happening. The event log is the truth; the other rows are drawn from it in the same transaction."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models
from django.db.models import Q

from agents.models import Agent
from engine.ids import new_id
from engine.specs import CallState, Mode, Outcome, RunStatus, StopReason
from runs.contents import search_text
from runs.conversation_row import Conversation as Conversation
from runs.worker_rows import HeldPermit as HeldPermit
from runs.worker_rows import WorkerLease as WorkerLease


def _choices(*kinds: type) -> list[tuple[str, str]]:
    return [(str(member), str(member).replace("_", " ")) for kind in kinds for member in kind]  # type: ignore[attr-defined]


class RunQuerySet(models.QuerySet["Run"]):
    """Questions about runs."""

    def live(self) -> RunQuerySet:
        """Waiting or running."""
        return self.filter(status__in=[RunStatus.CREATED, RunStatus.RUNNING])

    def running(self) -> RunQuerySet:
        return self.filter(status=RunStatus.RUNNING)

    def awaiting_approval(self) -> RunQuerySet:
        """Ended with calls that nobody has decided yet."""
        return self.filter(stop_reason=StopReason.REQUIRES_APPROVAL, resumed_by__isnull=True)


class Run(models.Model):
    """One execution for one input, in the agent's own history or in a conversation.

    `input` is a list of {"role", "content", "otid"?, "name"?}; `decisions` a list of {"call_id", "approve", "reason"} where
    the run carries out an approval; a decision about a call that the client ran has its "returned" {"text", "is_error",
    "full_text", "stdout", "stderr"}. `request` is as in runs.requests. `epoch` counts the workers that have taken the run; every write of a run
    carries it. Times of the summary are seconds: `wall_seconds` of all batches, `work_seconds` the sum of their
    calls' durations, `saved_seconds` the difference.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "run"), editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="runs")
    conversation = models.ForeignKey(Conversation, null=True, blank=True, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=16, choices=_choices(RunStatus), default=RunStatus.CREATED)
    stop_reason = models.CharField(max_length=32, choices=_choices(StopReason), blank=True)
    error = models.TextField(blank=True)
    input = models.JSONField(default=list, blank=True)
    decisions = models.JSONField(default=list, blank=True)
    resumes_run = models.OneToOneField(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="resumed_by"
    )
    started_by = models.CharField(max_length=120, blank=True)
    is_background = models.BooleanField(default=False)
    is_token_streamed = models.BooleanField(default=False)
    max_steps = models.PositiveIntegerField(default=50)
    request = models.JSONField(default=dict, blank=True, help_text="What its sender asked for, besides the input")
    request_digest = models.CharField(max_length=64, blank=True, db_index=True)
    epoch = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=64, blank=True)
    job_id = models.BigIntegerField(null=True, blank=True, help_text="The job that runs it, on Postgres")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    last_seq = models.PositiveIntegerField(default=0)
    last_delta_seq = models.PositiveIntegerField(default=0)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    step_count = models.PositiveIntegerField(default=0)
    batch_count = models.PositiveIntegerField(default=0)
    call_count = models.PositiveIntegerField(default=0)
    wall_seconds = models.FloatField(default=0)
    work_seconds = models.FloatField(default=0)
    saved_seconds = models.FloatField(default=0)
    usage = models.JSONField(default=dict, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"], condition=Q(status=RunStatus.RUNNING), name="one_running_run_per_agent"
            )
        ]
        indexes = [models.Index(fields=["status", "created_at"]), models.Index(fields=["agent", "created_at"])]

    def __str__(self) -> str:
        return self.id

    @property
    def is_ended(self) -> bool:
        return RunStatus(self.status).is_ended


class Step(models.Model):
    """One model response and its tool calls. A step that waits for approval is finished by the run that resumes it."""

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "step"), editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps")
    index = models.PositiveIntegerField()
    model = models.CharField(max_length=200)
    status = models.CharField(max_length=16, default="pending")
    finish_reason = models.CharField(max_length=16, blank=True)
    parallel = models.BooleanField(default=False)
    reason = models.TextField(blank=True)
    usage = models.JSONField(default=dict, blank=True)
    estimated_tokens = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    responded_at = models.DateTimeField(null=True, blank=True)
    feedback = models.CharField(max_length=8, blank=True, help_text="What somebody thinks of it: positive, negative")
    tags = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["index"]
        constraints = [models.UniqueConstraint(fields=["run", "index"], name="step_index_once")]

    def __str__(self) -> str:
        return self.id


class ToolCall(models.Model):
    """One call of a batch: the journal row that decides what a worker that takes over still has to do."""

    id = models.CharField(primary_key=True, max_length=64, editable=False)
    step = models.ForeignKey(Step, on_delete=models.CASCADE, related_name="calls")
    run = models.ForeignKey(
        Run, on_delete=models.CASCADE, related_name="calls", help_text="The run that carries it out"
    )
    index = models.PositiveIntegerField(help_text="Its place in the model's order, from 0")
    name = models.CharField(max_length=128, db_index=True)
    provider_id = models.CharField(max_length=128, blank=True)
    arguments = models.TextField(blank=True)
    needs_approval = models.BooleanField(default=False)
    state = models.CharField(max_length=16, choices=_choices(CallState, Outcome), default=CallState.QUEUED)
    phase = models.PositiveIntegerField(null=True, blank=True)
    mode = models.CharField(max_length=16, choices=_choices(Mode), blank=True)
    reason = models.TextField(blank=True)
    waits_for = models.TextField(blank=True)
    attempt = models.PositiveIntegerField(default=0)
    text = models.TextField(blank=True)
    full_text = models.TextField(blank=True)
    stdout = models.TextField(blank=True)
    stderr = models.TextField(blank=True)
    queued_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["step__index", "index"]
        constraints = [models.UniqueConstraint(fields=["step", "index"], name="call_index_once")]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"

    @property
    def is_ended(self) -> bool:
        return self.state in set(Outcome)


class ProviderTrace(models.Model):
    """What was sent to the model for a step and what came back, as JSON: never the key it was sent with.

    Only the latest of an agent are kept (see runs.exchanges).
    """

    step = models.OneToOneField(Step, primary_key=True, on_delete=models.CASCADE, related_name="trace")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    request = models.JSONField()
    response = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["agent", "created_at"])]

    def __str__(self) -> str:
        return f"what was exchanged for {self.step_id}"


class Message(models.Model):
    """One message of a history: the agent's own, or that of a conversation.

    `position` orders the history; it is None while the message's run waits its turn. `content` is a text or a list
    of parts; `calls` are {"id", "name", "arguments", "needs_approval"} of an assistant message, with "is_spoken" where the
    agent speaks to people by that call; `returns` are
    {"call_id", "name", "outcome", "text", "stdout", "stderr"} of a tool message, in the model's order (rule 3.6);
    `decisions` those of an approval. A message of role "summary" stands in the context window for all messages up to the
    position `covers_until`, which stay in the history; `compaction` are the facts of the event that made it.
    """

    id = models.CharField(primary_key=True, max_length=64, default=partial(new_id, "message"), editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="messages")
    conversation = models.ForeignKey(
        Conversation, null=True, blank=True, on_delete=models.CASCADE, related_name="messages"
    )
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages")
    step = models.ForeignKey(Step, null=True, blank=True, on_delete=models.SET_NULL, related_name="messages")
    position = models.PositiveBigIntegerField(null=True, blank=True)
    role = models.CharField(max_length=16)
    content = models.JSONField(default=str, blank=True)
    name = models.CharField(max_length=200, blank=True)
    sender_id = models.CharField(max_length=200, blank=True)
    otid = models.CharField(max_length=200, blank=True)
    reasoning = models.TextField(blank=True)
    reasoning_signature = models.TextField(blank=True)
    calls = models.JSONField(default=list, blank=True)
    returns = models.JSONField(default=list, blank=True)
    decisions = models.JSONField(default=list, blank=True)
    covers_until = models.PositiveBigIntegerField(null=True, blank=True)
    compaction = models.JSONField(default=dict, blank=True)
    search_text = models.TextField(blank=True, editable=False, help_text="What it says, in lower case")
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "position"], condition=Q(conversation=None), name="message_position_once"
            ),
            models.UniqueConstraint(fields=["conversation", "position"], name="conversation_position_once"),
        ]

    def __str__(self) -> str:
        return f"{self.role} message {self.id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store it so that it can be searched for."""
        self.search_text = search_text(self.content, self.reasoning, self.returns, self.calls)
        super().save(*args, **kwargs)


class RunEvent(models.Model):
    """One fact of a run's log: (run, seq) without gaps from 1 (rule 7.1)."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=32)
    at = models.DateTimeField()
    data = models.JSONField(default=dict)

    class Meta:
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class Callback(models.Model):
    """An address that is told of a run's end, with the run as JSON. `next_try_at` is also until when a worker has it.

    It is told once; again only where it did not answer, or the worker died before it could note the answer.
    """

    run = models.OneToOneField(Run, primary_key=True, on_delete=models.CASCADE, related_name="callback")
    url = models.URLField(max_length=2000)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When it was last tried")
    status_code = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    is_done = models.BooleanField(default=False, db_index=True)

    def __str__(self) -> str:
        return f"callback of {self.run_id}"


class RunDelta(models.Model):
    """A piece of a model's answer while it streams: never part of the log, deleted an hour after the run has ended.

    `kind` is text, reasoning or call; a call's piece has `call` {"index", "id", "name"} besides its text.
    """

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="deltas")
    delta_seq = models.PositiveIntegerField()
    after_seq = models.PositiveIntegerField(help_text="The last event of the log when it came")
    step_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=16)
    text = models.TextField()
    call = models.JSONField(null=True)

    class Meta:
        ordering = ["delta_seq"]
        constraints = [models.UniqueConstraint(fields=["run", "delta_seq"], name="delta_seq_once")]

    def __str__(self) -> str:
        return f"delta {self.delta_seq}"
