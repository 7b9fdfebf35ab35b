"""A turn: ask the model, plan its batch, execute, remember, ask again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.asking import Exchange, OnExchange, ask_model
from engine.compaction import compact, make_room
from engine.events import ApprovalRequested, BatchPlanned, PhaseFact, PlannedCallFact, RunEnded
from engine.executor import Execution, queued
from engine.gate import RuleGate
from engine.plan import Plan
from engine.planner import clients_calls, needs_approval, plan_batch
from engine.ports import CallTool, LoadAgent, Permits, Recorder
from engine.rule_solver import missing_before_exit
from engine.specs import AgentSpec, OpenBatch, RunOutcome, StopReason, status_for
from engine.turn import Turn
from engine.window import Trigger
from llms.errors import ContextTooLong, ModelError, TruncatedResponse
from llms.types import FinishReason, ModelClient, ModelResponse

ClientFor = Callable[[str], tuple[ModelClient, str]]
"""The client and the model's name for a handle. Raises llms.errors.ModelError where there is none."""

OnRefusal = Callable[[str], Awaitable[None]]
"""Told the handle of a model whose endpoint refused `parallel_tool_calls` (rule 1.2)."""


async def _forget(handle: str) -> None:
    """For those who need not remember."""


async def _keep_nothing(exchange: Exchange) -> None:
    """For those who keep no traces."""


@dataclass(frozen=True, slots=True)
class World:
    """What a turn is executed with."""

    load_agent: LoadAgent
    client_for: ClientFor
    call_tool: CallTool
    recorder: Recorder
    permits: Permits
    max_steps: int = 50
    on_refusal: OnRefusal = _forget
    on_exchange: OnExchange = _keep_nothing


async def run_agent(turn: Turn, world: World) -> RunOutcome:
    """Execute the turn to its end and record it. Raises only on cancellation and on what the recorder raises."""
    try:
        outcome = await _take_steps(turn, world)
    except TruncatedResponse as error:
        outcome = _outcome(turn, StopReason.INVALID_LLM_RESPONSE, str(error))
    except ModelError as error:
        outcome = _outcome(turn, StopReason.LLM_API_ERROR, str(error))
    await world.recorder.record(run_ended(outcome, turn.returns))
    return outcome


def run_ended(outcome: RunOutcome, returns: tuple[str, ...] = ()) -> RunEnded:
    """The event of an outcome."""
    status = status_for(outcome.stop_reason)
    return RunEnded(status, outcome.stop_reason, outcome.steps, outcome.usage, outcome.error, returns)


async def _take_steps(turn: Turn, world: World) -> RunOutcome:
    while True:
        if turn.batch is not None:
            stop = await _carry_out(turn, turn.batch, world)
            if stop is not None:
                return _outcome(turn, stop)
        if turn.steps >= world.max_steps:
            return _outcome(turn, StopReason.MAX_STEPS)
        agent = await world.load_agent()
        response = await _ask(turn, agent, world)
        if turn.batch is None and (end := _end_without_batch(turn, agent, response)) is not None:
            return end


async def _ask(turn: Turn, agent: AgentSpec, world: World) -> ModelResponse:
    """Ask with what fits into the context window; once more with less, where the provider says that it does not fit."""
    await make_room(turn, agent, world)
    try:
        return await ask_model(turn, agent, world)
    except ContextTooLong:
        if not await compact(turn, agent, world, Trigger.CONTEXT_WINDOW_EXCEEDED):
            raise
        return await ask_model(turn, agent, world)


async def run_compaction(turn: Turn, world: World) -> RunOutcome:
    """A run that only makes room in the context window, because somebody asked for it. Raises as `run_agent` does."""
    try:
        await compact(turn, await world.load_agent(), world, Trigger.REQUESTED)
        outcome = _outcome(turn, StopReason.END_TURN)
    except ModelError as error:
        outcome = _outcome(turn, StopReason.LLM_API_ERROR, str(error))
    await world.recorder.record(run_ended(outcome))
    return outcome


def _end_without_batch(turn: Turn, agent: AgentSpec, response: ModelResponse) -> RunOutcome | None:
    """How the turn ends after an answer without calls; None where a required tool is still missing (rule 4.1)."""
    if response.finish is FinishReason.LENGTH:
        text = f"The answer was cut at the output limit{_dropped(response)}. Raise the agent's max output tokens."
        return _outcome(turn, StopReason.MAX_TOKENS_EXCEEDED, text)
    if response.finish is FinishReason.FILTER:
        return _outcome(
            turn, StopReason.ERROR, f"The provider's content filter stopped the answer{_dropped(response)}."
        )
    names = [tool.name for tool in agent.tools]
    return None if missing_before_exit(agent.rules, turn.past, names) else _outcome(turn, StopReason.END_TURN)


def _dropped(response: ModelResponse) -> str:
    return f"; none of its {len(response.calls)} tool calls was executed" if response.calls else ""


async def _carry_out(turn: Turn, batch: OpenBatch, world: World) -> StopReason | None:
    """Plan the batch with the switches as they are now and run it; why the turn ends after it, or None."""
    agent = await world.load_agent()
    held = needs_approval(batch, agent)
    if held:
        await world.recorder.record(ApprovalRequested(batch.step_id, held, clients_calls(batch, agent, held)))
        return StopReason.REQUIRES_APPROVAL
    plan = plan_batch(batch, agent)
    await world.recorder.record(_planned(batch.step_id, plan), *queued(batch.step_id, plan, batch.finished))
    gate = RuleGate(agent, turn.past)
    execution = Execution(
        batch.step_id,
        call_tool=world.call_tool,
        recorder=world.recorder,
        permits=world.permits,
        gate=gate.judge,
        on_end=gate.note,
        attempts=batch.attempts,
        owner=agent.id,
    )
    turn.close_batch(await execution.run(plan, batch.finished))
    return StopReason.TOOL_RULE if gate.ended_by else None


def _planned(step_id: str, plan: Plan) -> BatchPlanned:
    phases = tuple(
        PhaseFact(
            phase.index,
            phase.mode,
            tuple(
                PlannedCallFact(planned.call.id, planned.call.name, planned.call.index, planned.mode, planned.reason)
                for planned in phase.calls
            ),
        )
        for phase in plan.phases
    )
    return BatchPlanned(step_id, plan.is_parallel, plan.reason, phases)


def _outcome(turn: Turn, stop_reason: StopReason, error: str = "") -> RunOutcome:
    return RunOutcome(stop_reason, turn.steps, turn.usage, error)
