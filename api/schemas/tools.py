"""Tools as the SDKs know them, with the fields that are Tandem's own beside."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import AliasChoices, Field

from api.schemas.dates import entity_date
from tools.models import Tool

_FUSION = 60  # the usual constant of reciprocal rank fusion
# Our own fields have the same names in the API and in the database.
OWN_FIELDS = ("timeout_seconds", "max_concurrency", "lock_group", "safe_to_retry", "network")


class ToolFields(Schema):
    """What can be said about a tool. What is not sent stays; what is unknown is ignored."""

    description: str | None = None
    source_code: str | None = None
    source_type: str | None = None
    # Not called json_schema: every Schema has a method of that name.
    whole_schema: dict[str, Any] | None = Field(None, alias="json_schema")
    args_json_schema: dict[str, Any] | None = None
    tags: list[str] | None = None
    enable_parallel_execution: bool | None = None
    default_requires_approval: bool | None = None
    return_char_limit: int | None = None
    pip_requirements: list[dict[str, Any]] | None = None
    npm_requirements: list[dict[str, Any]] | None = None
    metadata: dict[str, Any] | None = Field(None, validation_alias=AliasChoices("metadata_", "metadata"))
    timeout_seconds: float | None = None
    max_concurrency: int | None = None
    lock_group: str | None = None
    safe_to_retry: bool | None = None
    network: str | None = None

    def sent(self) -> dict[str, Any]:
        """The fields that were really sent, under our names."""
        given = self.model_dump(exclude_unset=True)
        if "whole_schema" in given:
            given["json_schema"] = given.pop("whole_schema")
        return given


class NewTool(ToolFields):
    """A tool to make; its source is all it needs."""

    source_code: str


def tool_state(tool: Tool) -> dict[str, Any]:
    """A Tool."""
    return {
        "id": tool.pk,
        "name": tool.name,
        "tool_type": tool.tool_type,
        "description": tool.description,
        "source_type": tool.source_type,
        "source_code": tool.source_code,
        "json_schema": tool.json_schema,
        "args_json_schema": tool.args_json_schema,
        "tags": tool.tags,
        "return_char_limit": tool.return_char_limit,
        "pip_requirements": tool.pip_requirements,
        "npm_requirements": tool.npm_requirements,
        "default_requires_approval": tool.default_requires_approval,
        "enable_parallel_execution": tool.enable_parallel_execution,
        "metadata_": tool.metadata,
        "created_by_id": None,
        "last_updated_by_id": None,
        "project_id": None,
        "created_at": entity_date(tool.created_at),
        "updated_at": entity_date(tool.updated_at),
        **{name: getattr(tool, name) for name in OWN_FIELDS},
    }


def found_tool(tool: Tool, rank: int | None, text: str) -> dict[str, Any]:
    """A ToolSearchResult: its score is that of reciprocal rank fusion, of the one ranking that there is."""
    return {
        "tool": tool_state(tool),
        "embedded_text": text,
        "fts_rank": rank,
        "vector_rank": None,
        "combined_score": 0.0 if rank is None else 1 / (_FUSION + rank),
    }
