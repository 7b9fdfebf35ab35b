"""What a sender asks of an agent for one request, over what the agent is.

What is asked for besides the input is stored in `Run.request`, each part only where it was asked for:
"model" (a handle), "system" (in place of the whole system prompt), "client_tools" [{"name", "description",
"parameters"}], "client_skills" [{"name", "description", "location"}], "tells_compactions", and "compacts" (a run that only
makes room in the context window, with its compaction settings).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agents.assembly import parallel_support
from agents.models import Agent
from engine.specs import AgentSpec, CompactionMode, CompactionSettings, ToolSpec
from llms.catalogue import describe


def as_requested(spec: AgentSpec, agent: Agent, request: Mapping[str, Any]) -> AgentSpec:
    """The agent as the sender of this request wants it asked, and with what context window."""
    if model := request.get("model"):
        spec = replace(spec, model=model, support=parallel_support(model))
    system = spec.system if request.get("system") is None else request["system"]
    settings = request.get("compacts") or agent.extras.get("compaction_settings") or {}
    return replace(
        spec,
        system=_with_skills(system, request.get("client_skills") or ()),
        tools=_with_client_tools(spec.tools, request.get("client_tools") or ()),
        context_window=_window(agent.context_window, spec.model),
        compaction=read_settings(settings),
    )


def client_tool_names(request: Mapping[str, Any]) -> frozenset[str]:
    """The tools that the sender of this request runs itself."""
    return frozenset(tool["name"] for tool in request.get("client_tools") or ())


def read_settings(sent: Mapping[str, Any]) -> CompactionSettings:
    """Compaction settings in Letta's JSON; what is missing or means nothing here is as by default. The modes in which the
    agent summarises itself are those without: its own model does it anyway unless another one is named."""
    usual = CompactionSettings()
    mode = str(sent.get("mode") or usual.mode).removeprefix("self_compact_")
    share = sent.get("sliding_window_percentage")
    clip = sent.get("clip_chars", usual.clip_chars)
    return CompactionSettings(
        mode=CompactionMode(mode) if mode in set(CompactionMode) else usual.mode,
        model=str(sent.get("model") or ""),
        prompt=str(sent.get("prompt") or ""),
        clip_chars=clip if isinstance(clip, int) and clip > 0 else None,
        keep_share=float(share) if isinstance(share, int | float) and 0 <= share <= 1 else usual.keep_share,
    )


def _with_client_tools(tools: tuple[ToolSpec, ...], sent: Iterable[Mapping[str, Any]]) -> tuple[ToolSpec, ...]:
    """The client's tools take the place of the agent's of the same name."""
    clients = tuple(
        ToolSpec(
            id=f"client:{tool['name']}",
            name=tool["name"],
            description=tool.get("description") or "",
            parameters=tool.get("parameters") or {"type": "object", "properties": {}},
            is_client_side=True,
        )
        for tool in sent
    )
    names = {tool.name for tool in clients}
    return (*(tool for tool in tools if tool.name not in names), *clients)


def _with_skills(system: str, skills: Iterable[Mapping[str, Any]]) -> str:
    lines = [f"- {skill['name']} ({skill['location']}): {skill['description']}" for skill in skills]
    if not lines:
        return system
    listed = "\n".join(lines)
    return f"{system}\n\n<available_skills>\n{listed}\n</available_skills>".lstrip()


def _window(wished: int | None, model: str) -> int:
    """The context window in tokens: as set, but never more than the model has."""
    known = describe(model)
    # Of a model that the catalogue does not know, whoever set the limit knows better.
    return min(wished, known.context_window) if wished and known.is_known else wished or known.context_window
