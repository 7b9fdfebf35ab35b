"""/v1/agents/{id}/tools: what an agent can call, and what of it needs a person's approval."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema

from agents.models import Agent
from agents.roster import attach_tool, detach_tool, set_approval
from api.auth import actor_of
from api.errors import invalid
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.tools import tool_state
from tools.models import Tool

router = Router(tags=["Agents: tools"])


class ApprovalSwitch(Schema):
    """Whether a person decides about each call of the tool. The TypeScript SDK sends the name of its own parameter."""

    requires_approval: bool | None = None
    body_requires_approval: bool | None = None

    @property
    def wanted(self) -> bool | None:
        return self.body_requires_approval if self.requires_approval is None else self.requires_approval


@router.get("/agents/{agent_id}/tools")
def list_tools(request: HttpRequest, agent_id: str, cursor: Query[Cursor]) -> list[dict[str, Any]]:
    """The agent's tools, newest first."""
    agent = find(Agent.objects.all(), agent_id, "Agent")
    return [tool_state(tool) for tool in cut(Tool.objects.filter(agenttool__agent=agent), page_of(cursor))]


@router.patch("/agents/{agent_id}/tools/attach/{tool_id}")
def attach(request: HttpRequest, agent_id: str, tool_id: str) -> None:
    """Attach a tool; twice is once."""
    agent, tool = find(Agent.objects.all(), agent_id, "Agent"), find(Tool.objects.all(), tool_id, "Tool")
    attach_tool(actor_of(request), agent, tool)


@router.patch("/agents/{agent_id}/tools/detach/{tool_id}")
def detach(request: HttpRequest, agent_id: str, tool_id: str) -> None:
    """Detach a tool."""
    agent, tool = find(Agent.objects.all(), agent_id, "Agent"), find(Tool.objects.all(), tool_id, "Tool")
    detach_tool(actor_of(request), agent, tool)


@router.patch("/agents/{agent_id}/tools/approval/{tool_name}")
def update_approval(
    request: HttpRequest,
    agent_id: str,
    tool_name: str,
    body: ApprovalSwitch | None = None,
    requires_approval: bool | None = None,
) -> None:
    """Switch the approval of a tool; the query form is the older one."""
    sent = body.wanted if body and body.wanted is not None else requires_approval
    if sent is None:
        raise invalid('Say {"requires_approval": true} or false.')
    set_approval(actor_of(request), find(Agent.objects.all(), agent_id, "Agent"), tool_name, sent)
