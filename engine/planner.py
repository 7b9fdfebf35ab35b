"""Which calls run together, and why: calls and tools in, phases out. Decides and touches nothing (section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from engine.arguments import ArgumentProblem, check_arguments
from engine.ids import new_call_id
from engine.parallelism import explain_agent
from engine.plan import Phase, Plan, PlannedCall
from engine.rule_solver import prescribable
from engine.specs import AgentSpec, ClientReturn, Decision, Mode, OpenBatch, Outcome, ToolCall, ToolResult, ToolSpec
from llms.types import RequestedCall


class CallIds:
    """Unique ids of our own for the calls of one response, by their place in it, from its first delta on (rule 2.6).

    The provider's ids may be empty, repeated in the batch or the same in every batch, so none of them is relied on:
    ours stands in the history and on the wire. It is short enough for every provider (OpenAI takes 40 characters).
    """

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}

    def of(self, index: int) -> str:
        """The id of the call at this place."""
        return self._ids.setdefault(index, new_call_id())

    def identify(self, requested: tuple[RequestedCall, ...]) -> tuple[ToolCall, ...]:
        """The calls of the whole response, in the model's order."""
        return tuple(ToolCall(self.of(index), call.name, call.arguments, index) for index, call in enumerate(requested))


def plan_batch(batch: OpenBatch, agent: AgentSpec) -> Plan:
    """Put every call of the batch in exactly one phase.

    Flag on: sequential calls first, in the model's order, one per phase, then all parallel-enabled calls in one
    phase (rule 2.1). Flag off: one by one in the model's order (rule 2.2). Calls that cannot run, were denied or
    have ended already keep their place, as sequential, with their result set (rules 2.3, 5.2, 6.2).
    """
    flag = explain_agent(agent)
    decisions = {decision.call_id: decision for decision in batch.decisions}
    planned = [_judge(call, batch, agent, decisions.get(call.id), is_parallel=flag.is_on) for call in batch.calls]
    together = [call for call in planned if call.mode is Mode.PARALLEL]
    groups = [[call] for call in planned if call.mode is Mode.SEQUENTIAL] + ([together] if together else [])
    numbers = count()
    phases = tuple(Phase(next(numbers), group[0].mode, tuple(group)) for group in groups)
    return Plan(phases, flag.is_on, flag.reason)


def _judge(
    call: ToolCall, batch: OpenBatch, agent: AgentSpec, decision: Decision | None, *, is_parallel: bool
) -> PlannedCall:
    finished = batch.finished.get(call.id)
    tool = agent.tool(call.name)
    planned = PlannedCall(call, *_mode(is_agent_parallel=is_parallel, is_tool_parallel=bool(tool and tool.is_parallel)))
    if finished is not None:
        return replace(planned, reason=f"{planned.reason}; it had ended before", result=finished)
    if decision is not None and decision.returned is not None:
        return _returned(planned, decision.returned)
    if decision is not None and not decision.is_approved:
        return _settled(planned, Outcome.DENIED, denial_text(decision.reason), "denied, so it does not run")
    if tool is None:
        return _settled(planned, Outcome.ERROR, _unknown_tool_text(call.name, agent), "there is no such tool")
    arguments = check_arguments(call.arguments, _asked_of_the_model(tool, agent))
    if isinstance(arguments, ArgumentProblem):
        text = f"Error executing function {call.name}: {arguments.message}"
        return _settled(planned, Outcome.ERROR, text, "its arguments cannot be used")
    if tool.is_client_side:
        return _settled(planned, Outcome.ERROR, _not_run_text(call.name), "its client did not run it")
    if call.id in batch.running and not tool.is_safe_to_retry:
        return _settled(planned, Outcome.INTERRUPTED, INTERRUPTED_TEXT, "it was running when its worker died")
    return replace(planned, tool=tool, arguments=arguments.values)


INTERRUPTED_TEXT = (
    "The worker that ran this call died while it was running. It may or may not have taken effect; "
    "check before calling it again."
)


def denial_text(reason: str) -> str:
    """What the model is told of a denied call, in the words of Letta's API."""
    return f"Error: request to call tool denied. User reason: {reason or 'none given'}"


def _mode(*, is_agent_parallel: bool, is_tool_parallel: bool) -> tuple[Mode, str]:
    if not is_agent_parallel:
        return Mode.SEQUENTIAL, "one by one: parallel tool calls are not in effect for this agent"
    if not is_tool_parallel:
        return Mode.SEQUENTIAL, "sequential: parallel execution is not enabled for this tool"
    return Mode.PARALLEL, "parallel: enabled for this tool, runs together with the other parallel calls"


def _settled(planned: PlannedCall, outcome: Outcome, text: str, why: str) -> PlannedCall:
    result = ToolResult(planned.call.id, outcome, text)
    return replace(planned, mode=Mode.SEQUENTIAL, reason=f"sequential: {why}", result=result)


def _returned(planned: PlannedCall, returned: ClientReturn) -> PlannedCall:
    """A call that the client has run: its return is all that is left of it to do."""
    result = ToolResult(
        planned.call.id,
        Outcome.ERROR if returned.is_error else Outcome.SUCCESS,
        returned.text,
        returned.full_text,
        returned.stdout,
        returned.stderr,
    )
    reason = "sequential: the client ran it and sent its return"
    return replace(planned, mode=Mode.SEQUENTIAL, reason=reason, result=result, has_run_elsewhere=True)


def _not_run_text(name: str) -> str:
    return f"Error executing function {name}: the client runs this tool itself, and sent no return."


def _unknown_tool_text(name: str, agent: AgentSpec) -> str:
    known = ", ".join(tool.name for tool in agent.tools) or "none"
    return f"Error executing function {name}: there is no tool of this name. Tools of this agent: {known}."


def needs_approval(batch: OpenBatch, agent: AgentSpec) -> tuple[str, ...]:
    """The calls that a person must decide, or a client run, before anything of the batch runs (rule 5.1), in the model's
    order.

    Calls that cannot run anyway need no decision; nor does a batch that has been decided or has begun.
    """
    if batch.decisions or batch.finished or batch.running:
        return ()
    return tuple(call.id for call in batch.calls if _asks_first(call, agent))


def clients_calls(batch: OpenBatch, agent: AgentSpec, held: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the held calls that the client runs itself."""
    tools = {call.id: agent.tool(call.name) for call in batch.calls}
    return tuple(call_id for call_id in held if (tool := tools[call_id]) is not None and tool.is_client_side)


def _asks_first(call: ToolCall, agent: AgentSpec) -> bool:
    tool = agent.tool(call.name)
    if tool is None or not (tool.requires_approval or tool.is_client_side):
        return False
    return not isinstance(check_arguments(call.arguments, _asked_of_the_model(tool, agent)), ArgumentProblem)


def _asked_of_the_model(tool: ToolSpec, agent: AgentSpec) -> Mapping[str, Any]:
    """The tool's schema without the arguments that a rule may prescribe: those are checked once they are filled in."""
    prescribed = prescribable(agent.rules, tool.name)
    if not prescribed:
        return tool.parameters
    properties = {key: value for key, value in tool.parameters.get("properties", {}).items() if key not in prescribed}
    required = [key for key in tool.parameters.get("required", ()) if key not in prescribed]
    known = dict.fromkeys(prescribed, True)
    return {**tool.parameters, "properties": {**properties, **known}, "required": required}
