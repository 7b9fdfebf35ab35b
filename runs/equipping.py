"""What an agent's call of a tool is given, read from the rows as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from agents.memory import blocks_of
from agents.models import Agent
from agents.variables import VariableProblem, environment_of
from runs.database import persistently
from runs.run_tokens import make_token
from tools.models import Tool
from tools.toolbox import Caller, CannotEquip, Equipment


async def equip(caller: Caller, tool_id: str) -> Equipment:
    """For the toolbox, as it asks. Waits for a database that is away."""
    return await persistently(_equip, caller, tool_id)


def _equip(caller: Caller, tool_id: str) -> Equipment:
    tool = Tool.objects.get(pk=tool_id)
    try:
        environment = environment_of(caller.agent_id)
    except VariableProblem as error:
        raise CannotEquip(str(error)) from error
    # Only for tools that name it: it costs a read of the agent's memory.
    state = agent_state(caller.agent_id) if "agent_state" in tool.source_code else None
    return Equipment(
        tool, environment.values, environment.secrets, state, caller, make_token=partial(make_token, caller, tool)
    )


def agent_state(agent_id: str) -> Mapping[str, Any]:
    """The agent as tools may read it, in the shape of Letta's AgentState: what people's tools look up in it."""
    agent = Agent.objects.get(pk=agent_id)
    blocks = [
        {
            "id": block.id,
            "label": block.label,
            "value": block.value,
            "limit": block.limit,
            "description": block.description,
            "read_only": block.read_only,
        }
        for block in blocks_of(agent)
    ]
    return {
        "id": agent.id,
        "name": agent.name,
        "description": agent.description,
        "system": agent.system,
        "agent_type": agent.agent_type,
        "model": agent.model,
        "tags": agent.tags,
        "metadata": agent.metadata,
        "timezone": agent.timezone,
        "blocks": blocks,
        "memory": {"blocks": blocks},
        "tools": [{"id": tool.id, "name": tool.name} for tool in agent.tools.order_by("agenttool__id")],
    }
