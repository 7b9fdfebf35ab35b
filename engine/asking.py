"""One step's question to the model: what is sent, what is recorded, what comes of the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from engine.events import ModelRequested, ModelResponded, ModelRetried, RespondedCall
from engine.ids import answer_id, new_id
from engine.parallelism import EffectiveFlag, explain_agent
from engine.planner import CallIds
from engine.ports import Recorder
from engine.rule_solver import allowance, missing_before_exit
from engine.specs import AgentSpec, OpenBatch, ToolCall
from engine.turn import Turn
from llms.retries import RetryNotice, stream_with_retries
from llms.types import CallDelta, FinishReason, ModelClient, ModelMessage, ModelRequest, ModelResponse, ModelTool, Role


class Asker(Protocol):
    """The part of the loop's world that asking needs."""

    @property
    def client_for(self) -> Callable[[str], tuple[ModelClient, str]]: ...

    @property
    def recorder(self) -> Recorder: ...

    @property
    def on_refusal(self) -> Callable[[str], Awaitable[None]]: ...


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
    response = await _answer(client, request, step_id, agent, world, ids)
    is_cut = response.finish in {FinishReason.LENGTH, FinishReason.FILTER}
    calls = () if is_cut else ids.identify(response.calls)
    await world.recorder.record(_responded(step_id, response, calls))
    turn.open_step = None
    turn.steps += 1
    turn.usage = turn.usage + response.usage
    turn.add_answer(response.text, calls, response.reasoning, response.reasoning_signature)
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
    """After an answer that came too early: what must still be called. Never stored; made anew where it is needed."""
    if not turn.messages or turn.messages[-1].role is not Role.ASSISTANT:
        return ()
    missing = missing_before_exit(agent.rules, turn.past, [tool.name for tool in agent.tools])
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
