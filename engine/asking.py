"""One step's question to the model: what is sent, what is recorded, what comes of the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from engine.events import ModelRequested, ModelResponded, ModelRetried, RespondedCall
from engine.ids import answer_id, new_id
from engine.parallelism import EffectiveFlag, explain_agent
from engine.planner import CallIds
from engine.ports import Recorder
from engine.rule_solver import allowance, missing_before_exit
from engine.specs import AgentSpec, OpenBatch, ToolCall
from engine.tokens import calibrate, tokens_of_request
from engine.turn import Turn
from llms.errors import ModelError
from llms.retries import RetryNotice, stream_with_retries
from llms.types import CallDelta, FinishReason, ModelClient, ModelMessage, ModelRequest, ModelResponse, ModelTool, Role


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a step's model, named by its handle, was asked and what it answered; where it failed, why."""

    step_id: str
    handle: str
    request: ModelRequest
    response: ModelResponse | None
    error: str = ""


OnExchange = Callable[[Exchange], Awaitable[None]]
"""Told what was exchanged for each step."""


class Asker(Protocol):
    """The part of the loop's world that asking needs."""

    @property
    def client_for(self) -> Callable[[str], tuple[ModelClient, str]]: ...

    @property
    def recorder(self) -> Recorder: ...

    @property
    def on_refusal(self) -> Callable[[str], Awaitable[None]]: ...

    @property
    def on_exchange(self) -> OnExchange: ...


async def ask_model(turn: Turn, agent: AgentSpec, world: Asker) -> ModelResponse:
    """Ask once more. Afterwards the answer stands in the history, and its calls, if any, are the turn's open batch.

    Raises llms.errors.ModelError.
    """
    step_id = turn.open_step or new_id("step")
    turn.open_step = step_id
    flag = explain_agent(agent)
    client, request = _request(turn, agent, flag, world)
    await world.recorder.record(_requested(turn, agent, flag, request, step_id))
    turn.returns = ()
    ids = CallIds()
    try:
        response = await _answer(client, request, step_id, agent, world, ids)
    except ModelError as error:
        await world.on_exchange(Exchange(step_id, agent.model, request, None, str(error)))
        raise
    is_cut = response.finish in {FinishReason.LENGTH, FinishReason.FILTER}
    calls = () if is_cut else ids.identify(response.calls)
    await world.recorder.record(_responded(step_id, response, calls))
    await world.on_exchange(Exchange(step_id, agent.model, request, response))
    turn.open_step = None
    turn.steps += 1
    turn.usage = turn.usage + response.usage
    turn.calibration = calibrate(response.usage.prompt_tokens, tokens_of_request(request.messages, request.tools))
    turn.add_answer(response, calls, answer_id(step_id))
    turn.batch = OpenBatch(step_id, calls) if calls else None
    return response


def _request(turn: Turn, agent: AgentSpec, flag: EffectiveFlag, world: Asker) -> tuple[ModelClient, ModelRequest]:
    client, model = world.client_for(agent.model)
    allowed = allowance(agent.rules, [tool.name for tool in agent.tools], turn.past)
    tools = tuple(
        ModelTool(tool.name, tool.description, tool.parameters) for tool in agent.tools if tool.name in allowed.allowed
    )
    settings = agent.settings
    return client, ModelRequest(
        model=model,
        messages=_messages(turn, agent),
        tools=tools,
        parallel=flag.is_on,
        sends_parallel=flag.sends_parameter,
        forced_tools=allowed.allowed if allowed.is_forced else (),
        temperature=settings.temperature,
        max_output_tokens=settings.max_output_tokens,
        reasoning_effort=settings.reasoning_effort,
        thinking_budget=settings.thinking_budget,
    )


def _messages(turn: Turn, agent: AgentSpec) -> tuple[ModelMessage, ...]:
    system = (ModelMessage(Role.SYSTEM, agent.system),) if agent.system else ()
    return (*system, *turn.messages, *_reminder(turn, agent))


def _reminder(turn: Turn, agent: AgentSpec) -> tuple[ModelMessage, ...]:
    """After an answer that came too early: what must still be called. After an answer that was sent as input: to go on,
    since not every model takes a history that ends with its own words. Never stored; made anew where it is needed."""
    if not turn.messages or turn.messages[-1].role is not Role.ASSISTANT:
        return ()
    missing = missing_before_exit(agent.rules, turn.past, [tool.name for tool in agent.tools])
    if not missing and turn.steps == 0:
        return (ModelMessage(Role.USER, "Go on."),)
    needed = " and ".join(missing) or "a tool or go on"
    return (ModelMessage(Role.USER, f"[Tool rule required_before_exit] Before you finish you must call {needed}."),)


async def _answer(
    client: ModelClient, request: ModelRequest, step_id: str, agent: AgentSpec, world: Asker, ids: CallIds
) -> ModelResponse:
    response: ModelResponse | None = None

    async def note(retry: RetryNotice) -> None:
        await world.recorder.record(
            ModelRetried(step_id, retry.attempt, retry.reason, retry.wait_seconds, retry.discards_deltas)
        )
        if retry.refused_parallel:
            await world.on_refusal(agent.model)

    async for event in stream_with_retries(client, request, on_retry=note):
        if isinstance(event, ModelResponse):
            response = event
        elif isinstance(event, CallDelta):
            world.recorder.delta(step_id, replace(event, id=ids.of(event.index)))
        else:
            world.recorder.delta(step_id, event)
    assert response is not None  # promised by stream_with_retries
    return replace(response, model=response.model or request.model)


def _requested(
    turn: Turn, agent: AgentSpec, flag: EffectiveFlag, request: ModelRequest, step_id: str
) -> ModelRequested:
    return ModelRequested(
        step_id=step_id,
        step_index=turn.steps,
        model=agent.model,
        message_count=len(request.messages),
        tools=tuple(tool.name for tool in request.tools),
        parallel=flag.is_on,
        sends_parallel=flag.sends_parameter and bool(request.tools),
        reason=flag.reason,
        forced_tools=request.forced_tools,
        returns=turn.returns,
        estimated_tokens=tokens_of_request(request.messages, request.tools),
    )


def _responded(step_id: str, response: ModelResponse, calls: tuple[ToolCall, ...]) -> ModelResponded:
    return ModelResponded(
        step_id=step_id,
        message_id=answer_id(step_id),
        finish=response.finish,
        text=response.text,
        reasoning=response.reasoning,
        reasoning_signature=response.reasoning_signature,
        calls=tuple(RespondedCall(call.id, response.calls[call.index].id, call.name, call.arguments) for call in calls),
        usage=response.usage,
    )
