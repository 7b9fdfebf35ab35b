"""Tools run outside any conversation: what is asked, and what comes of it."""

from __future__ import annotations

import json
from typing import Any

from django.utils import timezone
from ninja import Schema
from pydantic import AliasChoices, Field

from api.schemas.dates import message_date
from api.schemas.messages import wire_return
from engine.specs import Outcome, ToolResult

# Letta's word for the ids of a return that belongs to no message.
_NO_ID = "null"


class SourceRun(Schema):
    """A source to run as a tool, with arguments and the variables of its environment. Nothing of it is kept."""

    source_code: str
    args: dict[str, Any] = {}
    env_vars: dict[str, str] | None = None
    name: str | None = None
    source_type: str | None = None
    args_json_schema: dict[str, Any] | None = None
    # Not called json_schema: every Schema has a method of that name.
    whole_schema: dict[str, Any] | None = Field(None, alias="json_schema")
    pip_requirements: list[dict[str, Any]] | None = None
    npm_requirements: list[dict[str, Any]] | None = None

    def fields(self) -> dict[str, Any]:
        """What is said about the tool besides its source, under our names."""
        names = {"source_type", "args_json_schema", "pip_requirements", "npm_requirements"}
        return {**self.model_dump(include=names, exclude_none=True), "json_schema": self.whole_schema}


class ToolArguments(Schema):
    """Arguments for one of an agent's tools."""

    args: dict[str, Any] = {}


class SourceText(Schema):
    """A source whose schema is asked for."""

    code: str = Field(validation_alias=AliasChoices("code", "source_code"))
    source_type: str | None = None


def arguments_text(args: dict[str, Any]) -> str:
    """The arguments as a model would have written them."""
    return json.dumps(args)


def return_message(name: str, result: ToolResult) -> dict[str, Any]:
    """A ToolReturnMessage that belongs to no message and no call; `func_return` besides it is the return with its type."""
    returned = wire_return(
        {
            "call_id": _NO_ID,
            "name": name,
            "outcome": result.outcome,
            "text": result.full_text or result.text,
            "stdout": result.stdout,
            "stderr": result.stderr,
        }
    )
    singles = {key: returned[key] for key in ("tool_return", "status", "tool_call_id", "stdout", "stderr")}
    return {
        "id": _NO_ID,
        "date": message_date(timezone.now()),
        "message_type": "tool_return_message",
        "name": name,
        **singles,
        "func_return": _value(result) if result.outcome is Outcome.SUCCESS else None,
        "tool_returns": [returned],
    }


def _value(result: ToolResult) -> Any:
    """What the tool returned, with its type where it was no text."""
    try:
        return json.loads(result.json_text)
    except ValueError:
        # It was a text; or a masked secret left no JSON of it.
        return result.full_text or result.text


def execution_result(result: ToolResult, agent: dict[str, Any] | None) -> dict[str, Any]:
    """A ToolExecutionResult. `func_return` is what the tool returned, uncut, as JSON knows it; None where the call failed,
    and the last lines of `stderr` then say why."""
    is_good = result.outcome is Outcome.SUCCESS
    stderr = result.stderr.splitlines()
    return {
        "status": "success" if is_good else "error",
        "func_return": _value(result) if is_good else None,
        "agent_state": agent,
        "stdout": result.stdout.splitlines(),
        "stderr": stderr if is_good else [*stderr, *result.text.splitlines()],
        "sandbox_config_fingerprint": None,
    }
