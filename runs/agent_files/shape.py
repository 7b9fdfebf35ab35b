"""What an agent file holds, checked before anything is made of it. Ids are the file's own: "tool-0", "block-3"."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal, NoReturn

from pydantic import BaseModel, Field, ValidationError

# More than any agent that a provider could still be asked with.
MOST_BYTES = 64 * 1024 * 1024
_MOST_COMPLAINTS = 3


class AgentFileProblem(ValueError):
    """A text that is no agent file, or one whose agents cannot be made here. The text is for a person."""


class FileTool(BaseModel):
    """A tool. One that is not custom is known by its name alone; `metadata_` tells the MCP server of one that has."""

    id: str
    name: str
    tool_type: str = "custom"
    description: str | None = None
    source_type: str | None = None
    source_code: str | None = None
    # Not called json_schema: every model has had a method like that.
    whole_schema: dict[str, Any] | None = Field(None, alias="json_schema")
    args_json_schema: dict[str, Any] | None = None
    tags: list[str] = []
    return_char_limit: int | None = None
    pip_requirements: list[dict[str, Any]] | None = None
    npm_requirements: list[dict[str, Any]] | None = None
    default_requires_approval: bool | None = None
    enable_parallel_execution: bool | None = None
    metadata_: dict[str, Any] | None = None
    timeout_seconds: float | None = None
    max_concurrency: int | None = None
    lock_group: str | None = None
    safe_to_retry: bool | None = None
    network: str | None = None


class FileBlock(BaseModel):
    """A memory block; agents of the file that name it share it."""

    id: str
    label: str
    value: str = ""
    limit: int | None = None
    description: str | None = None
    read_only: bool | None = None
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    is_template: bool | None = None
    template_name: str | None = None


class FileFunction(BaseModel):
    """What a call calls."""

    name: str
    arguments: str = "{}"


class FileCall(BaseModel):
    """A tool call of an assistant's message."""

    id: str
    function: FileFunction
    needs_approval: bool = False


class FileReturn(BaseModel):
    """What a call gave back. `outcome` is ours, and says more than `status`."""

    tool_call_id: str | None = None
    status: str = "success"
    func_response: str | list[dict[str, Any]] | None = None
    stdout: list[str] | str | None = None
    stderr: list[str] | str | None = None
    outcome: str | None = None


class FileMessage(BaseModel):
    """A message of the history, as Letta stores them."""

    id: str = ""
    role: Literal["system", "user", "assistant", "tool", "approval", "summary", "function"]
    content: str | list[dict[str, Any]] | None = None
    name: str | None = None
    otid: str | None = None
    sender_id: str | None = None
    tool_calls: list[FileCall] | None = None
    tool_call_id: str | None = None
    tool_returns: list[FileReturn] | None = None
    approvals: list[dict[str, Any]] | None = None
    created_at: datetime | None = None
    compaction: dict[str, Any] | None = None


class FileAgent(BaseModel):
    """An agent. What stands in both of `llm_config` and a field of its own is the field's (rule 1.4)."""

    id: str = "agent-0"
    name: str | None = None
    description: str | None = None
    system: str | None = None
    agent_type: str | None = None
    tags: list[str] | None = None
    metadata: dict[str, Any] | None = None
    timezone: str | None = None
    model: str | None = None
    llm_config: dict[str, Any] | None = None
    model_settings: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    context_window_limit: int | None = None
    max_tokens: int | None = None
    tool_rules: list[dict[str, Any]] | None = None
    tool_ids: list[str] = []
    block_ids: list[str] = []
    group_ids: list[str] = []
    source_ids: list[str] | None = None
    secrets: dict[str, str | None] | None = None
    tool_exec_environment_variables: dict[str, str | None] | None = None
    in_context_message_ids: list[str] = []
    messages: list[FileMessage] = []
    # Kept as they are: see `roster.create_agent` on `extras`.
    embedding: str | None = None
    embedding_config: dict[str, Any] | None = None
    compaction_settings: dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    message_buffer_autoclear: bool | None = None
    enable_sleeptime: bool | None = None
    hidden: bool | None = None
    max_files_open: int | None = None
    per_file_view_window_char_limit: int | None = None


class FileServer(BaseModel):
    """An MCP server that tools of the file come from; never with its secrets."""

    id: str = ""
    server_name: str
    server_type: str = ""
    server_url: str | None = None


class AgentFile(BaseModel):
    """The whole file."""

    agents: list[FileAgent] = Field(min_length=1)
    blocks: list[FileBlock] = []
    tools: list[FileTool] = []
    mcp_servers: list[FileServer] = []


def read_agent_file(body: bytes) -> AgentFile:
    """The file's content. Raises AgentFileProblem with what is wrong and where."""
    value = _json(body)
    if isinstance(value, str):  # written by who took the SDK's text for a value
        value = _json(value.encode())
    if not isinstance(value, dict):
        raise AgentFileProblem("This is no agent file: it should be a JSON object with `agents`, `tools` and `blocks`.")
    if "agents" not in value:
        hint = " It looks like the older format of one agent: export it anew." if "core_memory" in value else ""
        raise AgentFileProblem(f"This is no agent file: it has no `agents`.{hint}")
    try:
        return AgentFile.model_validate(value)
    except ValidationError as error:
        raise AgentFileProblem(f"This agent file cannot be read: {_complaints(error)}.") from error


def _json(body: bytes) -> Any:
    if len(body) > MOST_BYTES:
        raise AgentFileProblem(f"An agent file has at most {MOST_BYTES:,} bytes; this one has {len(body):,}.")
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant)
        # Escapes may stand for what no database stores: U+0000, half of a surrogate pair.
        if "\\u" in text:
            plain = json.dumps(value, ensure_ascii=False)
            plain.encode()
            if "\\u0000" in plain:
                raise AgentFileProblem("This agent file has a text with the character U+0000 in it.")
    except RecursionError:
        raise AgentFileProblem("This agent file is nested too deeply.") from None
    except ValueError as error:
        if isinstance(error, AgentFileProblem):
            raise
        raise AgentFileProblem(f"This is no agent file, as it is no JSON: {error}.") from error
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _complaints(error: ValidationError) -> str:
    said = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    more = len(said) - _MOST_COMPLAINTS
    return "; ".join(said[:_MOST_COMPLAINTS]) + (f"; and {more} more" if more > 0 else "")
