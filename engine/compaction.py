"""Making room in the context window: older messages are summarised by a model and stay in the history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from engine.events import ContextCompacted
from engine.ids import new_id
from engine.ports import Recorder
from engine.specs import AgentSpec
from engine.tokens import tokens_of_request, tokens_of_text
from engine.turn import Turn
from engine.window import Cut, Trigger, cut_history
from llms.catalogue import describe
from llms.errors import ModelError
from llms.retries import RetryNotice, stream_with_retries
from llms.types import ModelClient, ModelMessage, ModelRequest, ModelResponse, ModelTool, Role, Usage

FULL_SHARE = 0.9
"""From this share of the window on, room is made before the model is asked."""

_TRANSCRIPT_SHARE = 0.6
_LONGEST_PASSAGE, _SHORTEST_PASSAGE = 8_000, 250  # characters of one message in the transcript
_DEFAULT_PROMPT = (
    "You summarise a conversation between a user and an agent that works with tools. The agent goes on with your summary "
    "in place of these messages, so keep what it needs: what the user wants and has said about themselves, decisions, "
    "facts found with their sources, what was done with which outcome, and what is still open. Names, numbers, ids and "
    "file paths stay exact. Write plainly, in the language of the conversation, and only the summary."
)
_INTRODUCTION = "The conversation up to here is no longer shown. Its summary:"


class Summariser(Protocol):
    """The part of the loop's world that making room needs."""

    @property
    def client_for(self) -> Callable[[str], tuple[ModelClient, str]]: ...

    @property
    def recorder(self) -> Recorder: ...


@dataclass(frozen=True, slots=True)
class _Summary:
    """What a summariser gave: its text and what it took, or why there is none."""

    text: str
    model: str
    usage: Usage
    error: str = ""


async def make_room(turn: Turn, agent: AgentSpec, world: Summariser) -> None:
    """Before the model is asked: where the window is nearly full, let a summary stand for the older messages."""
    if window_tokens(turn, agent) > agent.context_window * FULL_SHARE:
        await compact(turn, agent, world, Trigger.CONTEXT_WINDOW)


async def compact(turn: Turn, agent: AgentSpec, world: Summariser, trigger: Trigger) -> bool:
    """Summarise older messages of the turn and record it; False where there is nothing that can go.

    Where no model can summarise them they go all the same, and the event says why they could not be summarised; unless
    somebody asked for a summary: then that is raised (llms.errors.ModelError) and everything stays.
    """
    settings = agent.compaction
    keep = int(agent.context_window * settings.keep_share / turn.calibration)
    cut = cut_history(turn.messages, settings, trigger, keep)
    if cut is None:
        return False
    size, count = window_tokens(turn, agent), _count(turn, agent)
    summary = await _summarise(cut, agent, world, is_needed=trigger is not Trigger.REQUESTED)
    message_id = new_id("message")
    turn.messages = [summary_message(summary.text, message_id), *cut.kept]
    turn.usage = turn.usage + summary.usage
    await world.recorder.record(
        ContextCompacted(
            message_id=message_id,
            summary=summary.text,
            first_kept=cut.kept[0].message_id if cut.kept else "",
            trigger=trigger,
            messages_before=count,
            messages_after=_count(turn, agent),
            tokens_before=size,
            tokens_after=window_tokens(turn, agent),
            context_window=agent.context_window,
            model=summary.model,
            usage=summary.usage,
            error=summary.error,
        )
    )
    return True


def summary_message(summary: str, message_id: str) -> ModelMessage:
    """A summary as the model is told of it, in the place of the messages that it stands for."""
    return ModelMessage(Role.USER, f"{_INTRODUCTION}\n\n{summary}", message_id=message_id, is_summary=True)


def window_tokens(turn: Turn, agent: AgentSpec) -> int:
    """How many tokens the next request takes, by the estimate and what the provider last counted."""
    tools = (ModelTool(tool.name, tool.description, tool.parameters) for tool in agent.tools)
    messages = (ModelMessage(Role.SYSTEM, agent.system), *turn.messages)
    return round(tokens_of_request(messages, tools) * turn.calibration)


def _count(turn: Turn, agent: AgentSpec) -> int:
    return len(turn.messages) + (1 if agent.system else 0)


async def _summarise(cut: Cut, agent: AgentSpec, world: Summariser, *, is_needed: bool) -> _Summary:
    """The summary by the first model that can give one. Raises ModelError where none can and no room `is_needed`."""
    handles = dict.fromkeys(handle for handle in (agent.compaction.model, agent.model) if handle)
    problems: list[ModelError] = []
    for handle in handles:
        try:
            return await _ask(cut, handle, agent, world)
        except ModelError as problem:
            problems.append(problem)
    if not is_needed:
        raise problems[0]
    return _Summary(_without_summary(cut), "", Usage(), str(problems[0]))


async def _ask(cut: Cut, handle: str, agent: AgentSpec, world: Summariser) -> _Summary:
    """Raises ModelError."""
    settings = agent.compaction
    client, model = world.client_for(handle)
    room = int(min(agent.context_window, describe(handle).context_window) * _TRANSCRIPT_SHARE)
    request = ModelRequest(
        model=model,
        messages=(
            ModelMessage(Role.SYSTEM, settings.prompt or _DEFAULT_PROMPT),
            ModelMessage(Role.USER, transcript(cut.left_out, room)),
        ),
        wants_summary=True,
    )
    response: ModelResponse | None = None
    async for event in stream_with_retries(client, request, on_retry=_ignore):
        response = event if isinstance(event, ModelResponse) else response
    assert response is not None  # promised by stream_with_retries
    if not response.text.strip():
        raise ModelError(f"{handle} gave an empty summary.")
    text = response.text.strip()
    return _Summary(text[: settings.clip_chars] if settings.clip_chars else text, handle, response.usage)


async def _ignore(notice: RetryNotice) -> None:
    """Retries of a summary are not told: no step is waiting for them."""


def transcript(messages: Iterable[ModelMessage], room: int) -> str:
    """The messages as a text of at most about `room` tokens: long ones are cut in the middle, and if that does not
    suffice the oldest left out."""
    told = [line for message in messages for line in _tell(message)]
    longest = _LONGEST_PASSAGE
    while longest > _SHORTEST_PASSAGE and tokens_of_text("\n".join(_clip(line, longest) for line in told)) > room:
        longest //= 2
    lines = [_clip(line, longest) for line in told]
    while len(lines) > 1 and tokens_of_text("\n".join(lines)) > room:
        lines = lines[len(lines) // 4 or 1 :]
    return "\n".join(lines)


def _tell(message: ModelMessage) -> list[str]:
    match message.role:
        case Role.TOOL:
            return [f"Tool returned{' an error' if message.is_error else ''}: {message.text}"]
        case Role.ASSISTANT:
            said = [f"Agent: {message.text}"] if message.text else []
            return said + [f"Agent called {call.name}({call.arguments})" for call in message.calls]
        case Role.USER | Role.SYSTEM:
            who = "Summary so far" if message.is_summary else message.role.value.capitalize()
            pictures = f" [{len(message.images)} pictures]" if message.images else ""
            return [f"{who}: {message.text.removeprefix(_INTRODUCTION).strip()}{pictures}"]


def _clip(line: str, longest: int) -> str:
    return line if len(line) <= longest else f"{line[: longest // 2]} […] {line[-longest // 2 :]}"


def _without_summary(cut: Cut) -> str:
    """What stands there when no model could summarise: the earlier summary, if any, and that messages are missing."""
    earlier = [message.text.removeprefix(_INTRODUCTION).strip() for message in cut.left_out if message.is_summary]
    gone = sum(not message.is_summary for message in cut.left_out)
    note = f"({gone} older messages were left out: they did not fit, and could not be summarised.)"
    return "\n\n".join([*earlier, note])
