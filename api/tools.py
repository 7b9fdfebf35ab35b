"""/v1/tools: the library."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from access.json_lists import holding
from api.auth import actor_of
from api.lookup import find
from api.paging import Cursor, cut, page_of
from api.schemas.tools import NewTool, ToolFields, found_tool, tool_state
from tools.built_in import ensure
from tools.library import change_tool, delete_tool, upsert_tool
from tools.models import Tool
from tools.search import search, searched_text

router = Router(tags=["Tools"])


class ToolFilter(Cursor):
    """Which tools to list. Lists come repeated or separated by commas."""

    name: str | None = None
    names: list[str] = []
    search: str | None = None
    tool_ids: list[str] = []
    tool_types: list[str] = []
    exclude_tool_types: list[str] = []
    return_only_letta_tools: bool | None = None

    def choose(self) -> QuerySet[Tool]:
        """The tools that fit."""
        tools = Tool.objects.all()
        if self.name:
            tools = tools.filter(name=self.name)
        if self.names:
            tools = tools.filter(name__in=_split(self.names))
        if self.search:
            tools = tools.filter(name__icontains=self.search)
        if self.tool_ids:
            tools = tools.filter(pk__in=_split(self.tool_ids))
        if self.tool_types:
            tools = tools.filter(tool_type__in=_split(self.tool_types))
        if self.return_only_letta_tools:
            tools = tools.filter(tool_type__startswith="letta_")
        return tools.exclude(tool_type__in=_split(self.exclude_tool_types))


class ToolSearch(Schema):
    """What to search the library for. Tags match where a tool has any of them."""

    query: str | None = None
    search_mode: Literal["vector", "fts", "hybrid"] = "hybrid"
    tool_types: list[str] | None = None
    tags: list[str] | None = None
    limit: int = Field(50, ge=1, le=100)


def _split(values: list[str]) -> list[str]:
    return [part for value in values for part in value.split(",") if part]


@router.post("/tools")
def create(request: HttpRequest, body: NewTool) -> dict[str, Any]:
    """Make a tool from its source. A taken name changes that tool; what is not sent stays."""
    return _upsert(request, body)


@router.put("/tools")
def upsert(request: HttpRequest, body: NewTool) -> dict[str, Any]:
    """Make or change the tool that the source's function names; what is not sent stays."""
    return _upsert(request, body)


@router.get("/tools")
def list_tools(request: HttpRequest, chosen: Query[ToolFilter]) -> list[dict[str, Any]]:
    """The library, newest first."""
    return [tool_state(tool) for tool in cut(chosen.choose(), page_of(chosen))]


@router.post("/tools/add-base-tools")
def add_base_tools(request: HttpRequest) -> list[dict[str, Any]]:
    """Add the built-in tools that are missing to the library; all of them, switches as they are."""
    return [tool_state(tool) for tool in ensure()]


@router.post("/tools/search")
def search_library(request: HttpRequest, body: ToolSearch) -> list[dict[str, Any]]:
    """The tools that fit the query best, by full text in every search mode; without a query the newest."""
    tools = Tool.objects.filter(holding("tags", body.tags or ()))
    if body.tool_types:
        tools = tools.filter(tool_type__in=body.tool_types)
    if not body.query:
        return [found_tool(tool, None, searched_text(tool)) for tool in tools.order_by("-created_at")[: body.limit]]
    return [found_tool(match.tool, match.rank, match.text) for match in search(tools, body.query)[: body.limit]]


@router.get("/tools/{tool_id}")
def retrieve(request: HttpRequest, tool_id: str) -> dict[str, Any]:
    """One tool."""
    return tool_state(find(Tool.objects.all(), tool_id, "Tool"))


@router.patch("/tools/{tool_id}")
def update(request: HttpRequest, tool_id: str, body: ToolFields) -> dict[str, Any]:
    """Change a tool; what is not sent stays."""
    tool = find(Tool.objects.all(), tool_id, "Tool")
    return tool_state(change_tool(actor_of(request), tool, body.sent()))


@router.delete("/tools/{tool_id}")
def delete(request: HttpRequest, tool_id: str) -> None:
    """Delete a tool; it is detached from every agent."""
    delete_tool(actor_of(request), find(Tool.objects.all(), tool_id, "Tool"))


def _upsert(request: HttpRequest, body: NewTool) -> dict[str, Any]:
    fields = body.sent()
    tool, _ = upsert_tool(actor_of(request), source_code=fields.pop("source_code"), fields=fields)
    return tool_state(tool)
