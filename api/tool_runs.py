"""Tools run directly: a source that is not stored, or one of an agent's tools. What a tool does wrong is a result."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from agents.models import Agent
from agents.variables import check_variable
from api.errors import ApiProblem
from api.lookup import find
from api.schemas.agents import agent_state
from api.schemas.tool_runs import (
    SourceRun,
    SourceText,
    ToolArguments,
    arguments_text,
    execution_result,
    return_message,
)
from runs.database import in_database
from runs.equipping import equip
from tools.direct import call_directly, call_for_agent
from tools.library import draft_tool
from tools.models import Tool
from tools.toolbox import Equipment

router = Router(tags=["Tools"])


@router.post("/tools/run")
async def run_source(request: HttpRequest, body: SourceRun) -> dict[str, Any]:
    """Run a source as a tool, in the same sandbox as a model's calls, with `env_vars` as its only variables."""
    environment = body.env_vars or {}
    for key, value in environment.items():
        check_variable(key, value)
    tool = draft_tool(source_code=body.source_code, fields=body.fields())
    if body.name not in (None, tool.name):
        raise ApiProblem(400, f"The tool of this source is called {tool.name!r}, not {body.name!r}: make them agree.")
    result = await call_directly(tool, arguments_text(body.args), Equipment(tool, environment))
    return return_message(tool.name, result)


@router.post("/tools/generate-schema")
def generate_schema(request: HttpRequest, body: SourceText) -> dict[str, Any]:
    """The JSON schema that a source's tool would have."""
    schema: dict[str, Any] = draft_tool(source_code=body.code, fields={"source_type": body.source_type}).json_schema
    return schema


@router.post("/agents/{agent_id}/tools/{tool_name}/run")
async def run_attached(
    request: HttpRequest, agent_id: str, tool_name: str, body: ToolArguments | None = None
) -> dict[str, Any]:
    """Run one of the agent's tools with the agent's variables and state, outside any conversation."""
    agent = await in_database(find, Agent.objects.all(), agent_id, "Agent")
    tool = await in_database(_attached, agent, tool_name)
    result = await call_for_agent(agent.pk, tool, arguments_text(body.args if body else {}), equip)
    return execution_result(result, await in_database(agent_state, agent, with_history=False))


def _attached(agent: Agent, tool_name: str) -> Tool:
    tool = agent.tools.filter(name=tool_name).first()
    if tool is None:
        raise ApiProblem(404, f"Agent {agent.name} has no tool called {tool_name!r}; attach it first.")
    return tool
