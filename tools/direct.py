"""A tool called by somebody other than a model: outside any run, in the same sandbox."""

from __future__ import annotations

from engine.arguments import ArgumentProblem, check_arguments
from engine.ids import new_call_id
from engine.plan import PlannedCall
from engine.specs import Mode, Outcome, ToolCall, ToolResult, ToolSpec
from tools.models import Tool
from tools.toolbox import Caller, Equip, Equipment, Toolbox


async def call_directly(tool: Tool, arguments: str, equipment: Equipment | None = None) -> ToolResult:
    """Call a tool with arguments as JSON text, checked as a model's are. Failures are results. Caps and lock groups do
    not apply; nothing of it is stored. Without `equipment` there is nothing in its environment."""

    async def equip(caller: Caller, tool_id: str) -> Equipment:
        return equipment or Equipment(tool)

    return await _call(tool, arguments, equip, Caller(""))


async def call_for_agent(agent_id: str, tool: Tool, arguments: str, equip: Equip) -> ToolResult:
    """The same with what the agent gives its tools."""
    return await _call(tool, arguments, equip, Caller(agent_id))


async def _call(tool: Tool, arguments: str, equip: Equip, caller: Caller) -> ToolResult:
    call = ToolCall(new_call_id(), tool.name, arguments, 0)
    checked = check_arguments(arguments, tool.parameters)
    if isinstance(checked, ArgumentProblem):
        return ToolResult(call.id, Outcome.ERROR, checked.message)
    spec = ToolSpec(tool.pk, tool.name, parameters=tool.parameters)
    planned = PlannedCall(call, Mode.SEQUENTIAL, "", spec, checked.values)
    return await Toolbox(equip).of(caller)(planned, lambda stream, text: None)
