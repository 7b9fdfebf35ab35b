"""What a tool's MCP server says about it, and which switches that suggests. Nothing is switched by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.models import Tool, ToolType

_LABELS = {
    ("readOnlyHint", True): "only reads",
    ("readOnlyHint", False): "writes",
    ("destructiveHint", True): "destructive",
    ("destructiveHint", False): "not destructive",
    ("idempotentHint", True): "idempotent",
    ("idempotentHint", False): "not idempotent",
    ("openWorldHint", True): "reaches the outside",
}


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A sentence about one switch; `tone` is good, warn or info."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Hints:
    """`labels` are the server's annotations in words."""

    server_id: str
    server_name: str
    labels: tuple[str, ...]
    suggestions: tuple[Suggestion, ...]


def hints_of(tool: Tool) -> Hints | None:
    """What the tool's server says of it; None for a tool that no server carries out."""
    about = (tool.metadata or {}).get("mcp")
    if tool.tool_type != ToolType.EXTERNAL_MCP or not isinstance(about, dict):
        return None
    said = about.get("annotations")
    annotations: Mapping[str, Any] = said if isinstance(said, dict) else {}
    labels = [label for (name, value), label in _LABELS.items() if annotations.get(name) is value]
    return Hints(
        str(about.get("server_id", "")), str(about.get("server_name", "")), tuple(labels), _suggest(annotations)
    )


def _suggest(said: Mapping[str, Any]) -> tuple[Suggestion, ...]:
    only_reads, repeats = said.get("readOnlyHint") is True, said.get("idempotentHint") is True
    if only_reads:
        parallel = Suggestion(
            "good", "The server says that the tool only reads: enabling parallel execution is probably safe."
        )
    elif said.get("destructiveHint") is True:
        parallel = Suggestion(
            "warn",
            "The server says that the tool can destroy or overwrite something: leave it sequential, and consider "
            "requiring approval.",
        )
    elif repeats and said.get("destructiveHint") is False:
        parallel = Suggestion(
            "good",
            "The server says that the tool destroys nothing and that a repeated call changes nothing more: enabling "
            "parallel execution is probably safe.",
        )
    else:
        parallel = Suggestion(
            "info", "The server does not say that calls of this tool may overlap. Leave it sequential unless you know."
        )
    retry = Suggestion(
        "good", "The server says that calling it again has no further effect: “Safe to retry” is probably right."
    )
    return (parallel, retry) if only_reads or repeats else (parallel,)
