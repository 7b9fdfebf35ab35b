"""The nouns of a turn, as the engine needs them: frozen, free of any database.

Words are those of docs/glossary.md: a *run* has *steps*, a step is one model response and its *batch* of *tool
calls*, a batch is executed in *phases*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from engine.rules import ToolRule
from llms.types import Usage


class Mode(StrEnum):
    """How a call is executed within its batch."""

    SEQUENTIAL = "sequential"
    PARALLEL = "parallel"


class Outcome(StrEnum):
    """How a call ended: exactly one of these, once (rule 3.5)."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    DENIED = "denied"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


class CallState(StrEnum):
    """Where a call stands before it has an outcome."""

    HELD = "held"
    QUEUED = "queued"
    WAITING = "waiting"
    RUNNING = "running"


class StopReason(StrEnum):
    """Why a run ended, in the words of Letta's API."""

    END_TURN = "end_turn"
    MAX_STEPS = "max_steps"
    TOOL_RULE = "tool_rule"
    REQUIRES_APPROVAL = "requires_approval"
    CANCELLED = "cancelled"
    ERROR = "error"
    LLM_API_ERROR = "llm_api_error"
    INVALID_LLM_RESPONSE = "invalid_llm_response"
    MAX_TOKENS_EXCEEDED = "max_tokens_exceeded"


class RunStatus(StrEnum):
    """Where a run stands."""

    CREATED = "created"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        return self in {RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED}


def status_for(stop_reason: StopReason) -> RunStatus:
    """The run status that a stop reason leads to (Letta's table)."""
    match stop_reason:
        case StopReason.END_TURN | StopReason.MAX_STEPS | StopReason.TOOL_RULE | StopReason.REQUIRES_APPROVAL:
            return RunStatus.COMPLETED
        case StopReason.CANCELLED:
            return RunStatus.CANCELLED
        case _:
            return RunStatus.FAILED


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as the planner and executor need it, read when a batch is planned (rule 2.5).

    `id` keys caps, `lock_group` is "" for none, `max_concurrency` None for none. Times are seconds. `is_client_side`:
    whoever sent the message runs it, so that it waits as an approval does and its return comes with the decision.
    """

    id: str
    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    is_parallel: bool = False
    requires_approval: bool = False
    max_concurrency: int | None = None
    lock_group: str = ""
    timeout_seconds: float = 60.0
    return_char_limit: int = 50_000
    is_safe_to_retry: bool = False
    is_client_side: bool = False


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """What the agent asks of its model besides the messages."""

    temperature: float | None = None
    max_output_tokens: int | None = None
    reasoning_effort: str | None = None
    thinking_budget: int | None = None


@dataclass(frozen=True, slots=True)
class ParallelSupport:
    """Whether a model takes several tool calls at once, and if not, why, as the rest of a sentence."""

    is_supported: bool
    sends_parameter: bool
    reason: str = ""


class CompactionMode(StrEnum):
    """What leaves the context window when room is made: the older messages, or all that have been answered."""

    SLIDING_WINDOW = "sliding_window"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class CompactionSettings:
    """How room is made in the context window.

    `model` is the handle of the model that summarises, "" for the agent's own; `prompt` "" for the built-in one;
    `clip_chars` the longest summary in characters, None for any. `keep_share` of the window stays when it slides.
    """

    mode: CompactionMode = CompactionMode.SLIDING_WINDOW
    model: str = ""
    prompt: str = ""
    clip_chars: int | None = 50_000
    keep_share: float = 0.3


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """An agent as it is now. `system` is the compiled system prompt, `model` the handle ("openai/gpt-4.1"),
    `context_window` in tokens."""

    id: str
    name: str
    model: str
    system: str = ""
    tools: tuple[ToolSpec, ...] = ()
    rules: tuple[ToolRule, ...] = ()
    wants_parallel: bool = False
    support: ParallelSupport = field(default_factory=lambda: ParallelSupport(True, True))
    settings: ModelSettings = field(default_factory=ModelSettings)
    context_window: int = 128_000
    compaction: CompactionSettings = field(default_factory=CompactionSettings)

    def tool(self, name: str) -> ToolSpec | None:
        return next((tool for tool in self.tools if tool.name == name), None)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a batch. `id` is our own and unique (rule 2.6); `index` is its place in the model's order, from 0."""

    id: str
    name: str
    arguments: str
    index: int


@dataclass(frozen=True, slots=True)
class ToolResult:
    """How a call ended. `text` is what the model is told; `full_text` the uncut return, "" where `text` is all of it;
    `json_text` the uncut return as JSON, where it is no text: for those who call a tool themselves, not kept."""

    call_id: str
    outcome: Outcome
    text: str
    full_text: str = ""
    stdout: str = ""
    stderr: str = ""
    json_text: str = ""

    @property
    def is_error(self) -> bool:
        return self.outcome is not Outcome.SUCCESS


@dataclass(frozen=True, slots=True)
class ClientReturn:
    """What a call gave that a client ran itself. `full_text` as in `ToolResult`."""

    text: str
    is_error: bool = False
    full_text: str = ""
    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one held call (section 5): run it, or do not, or its return, where the client ran it itself."""

    call_id: str
    is_approved: bool
    reason: str = ""
    returned: ClientReturn | None = None


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch whose calls have not all ended: left by an approval, or by a worker that died (rules 5.2 and 6.2).

    `finished` are results that stand and are never run again; `attempts` counts the starts of a call so far, and
    `running` are the calls that were running when the worker died.
    """

    step_id: str
    calls: tuple[ToolCall, ...]
    decisions: tuple[Decision, ...] = ()
    finished: Mapping[str, ToolResult] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    running: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended; `error` is "" or a sentence that says what to do."""

    stop_reason: StopReason
    steps: int
    usage: Usage
    error: str = ""
