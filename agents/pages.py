"""The agent page: what its columns show, drawn in one place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse

from access.replies import PageRequest, show, wants_part
from agents.assembly import effective_flag, rules_of
from agents.forms import AboutForm, BlockForm, LLMConfigForm, NewBlockForm, model_suggestions
from agents.memory import blocks_of
from agents.models import Agent, Block
from agents.rule_walk import walk
from agents.rule_words import RULE_FORMS, say
from agents.variable_forms import variables_context
from engine.rules import RequiresApproval
from llms.catalogue import describe
from tools.models import Tool

TABS = {"settings": "Settings", "tools": "Tools", "rules": "Rules", "variables": "Variables"}
LEFT = "agent-left"


@dataclass(frozen=True, slots=True)
class AttachedTool:
    """A tool of the agent, and whether a person decides about each of its calls."""

    tool: Tool
    requires_approval: bool


@dataclass(frozen=True, slots=True)
class MemoryBlock:
    """A block of the agent with its form. `others` counts the other agents that share it."""

    block: Block
    form: BlockForm
    others: int

    @property
    def is_open(self) -> bool:
        return bool(self.form.errors)


def find_agent(agent_id: str) -> Agent:
    return get_object_or_404(Agent, pk=agent_id)


def agent_url(agent: Agent, tab: str = "") -> str:
    return reverse("agents:detail", args=[agent.pk]) + (f"?tab={tab}" if tab else "")


def show_agent(
    request: PageRequest, agent: Agent, tab: str, bound: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """The whole page, or its left column. `bound` replaces what it would show, as a form with its errors."""
    is_left = wants_part(request, LEFT)
    context = left_context(request, agent, tab) | ({} if is_left else page_context(request, agent)) | (bound or {})
    return show(request, f"agents/agent.html{'#left' if is_left else ''}", context, status=status)


def page_context(request: PageRequest, agent: Agent) -> dict[str, Any]:
    """What the page needs besides its left column: memory, and the tool whose drawer stands open."""
    opened = request.GET.get("tool")
    return {**memory_context(agent), "opened_tool": opened, "opened_panel": request.GET.get("panel", "code")}


def left_context(request: PageRequest, agent: Agent, tab: str) -> dict[str, Any]:
    """The left column at one of its tabs."""
    counts: dict[str, Any] = {
        "tools": agent.tools.count(),
        "rules": len(agent.tool_rules),
        "variables": agent.variables.count(),
    }
    tabs = [
        {"label": label, "url": agent_url(agent, key), "active": key == tab, "count": counts.get(key, "")}
        for key, label in TABS.items()
    ]
    base = {"agent": agent, "tab": tab, "agent_tabs": tabs, "left_template": f"agents/left/{tab}.html"}
    match tab:
        case "tools":
            return base | tools_context(agent)
        case "rules":
            return base | rules_context(agent, request.GET.getlist("step"))
        case "variables":
            return base | variables_context(agent)
        case _:
            return base | about_context(agent) | llm_context(agent)


def about_context(agent: Agent) -> dict[str, Any]:
    return {"agent": agent, "about": AboutForm(instance=agent, auto_id="about_%s")}


def llm_context(agent: Agent) -> dict[str, Any]:
    """The panel LLM Config. What the model does not take is said beside its field."""
    known = describe(agent.model)
    return {
        "agent": agent,
        "flag": effective_flag(agent),
        "llm": LLMConfigForm(instance=agent, auto_id="llm_%s"),
        "known": known,
        "suggestions": model_suggestions(),
    }


def tools_context(agent: Agent) -> dict[str, Any]:
    """The Tools panel, and what could be added to it."""
    attached = agent.tools.order_by("agenttool__id").defer("source_code", "json_schema")
    asking = {rule.tool_name for rule in rules_of(agent) if isinstance(rule, RequiresApproval)}
    rows = [AttachedTool(tool, tool.name in asking) for tool in attached]
    choices = Tool.objects.exclude(agents=agent).only("id", "name", "enable_parallel_execution")
    return {"agent": agent, "attached": rows, "choices": choices, "flag": effective_flag(agent)}


def rules_context(agent: Agent, steps: Iterable[str] = ()) -> dict[str, Any]:
    """The rules in words, the forms that add one, and a walk through what they allow."""
    rules = rules_of(agent)
    names = list(agent.tools.order_by("agenttool__id").values_list("name", flat=True))
    return {
        "agent": agent,
        "rules": [
            {"index": index, "type": rule.type, "text": say(rule), "is_idle": rule.tool_name not in names}
            for index, rule in enumerate(rules)
        ],
        "binds": any(not isinstance(rule, RequiresApproval) for rule in rules),
        "rule_forms": RULE_FORMS,
        "tool_names": names,
        "place": walk(rules, names, list(steps)),
        "flag": effective_flag(agent),
    }


def memory_context(agent: Agent, bound: BlockForm | None = None, new: NewBlockForm | None = None) -> dict[str, Any]:
    """The agent's core memory. `bound` is the form of a block that could not be saved, `new` that of a new one."""
    blocks = blocks_of(agent)
    sharing = Block.objects.filter(pk__in=[block.pk for block in blocks]).annotate(n=Count("agentblock"))
    counts = dict(sharing.values_list("pk", "n"))
    return {
        "agent": agent,
        "blocks": [MemoryBlock(block, _block_form(block, bound), counts[block.pk] - 1) for block in blocks],
        "new_block": new or NewBlockForm(auto_id="new_block_%s", initial={"limit": 5000}),
    }


def _block_form(block: Block, bound: BlockForm | None) -> BlockForm:
    if bound is not None and bound.instance.pk == block.pk:
        return bound
    return BlockForm(instance=block, auto_id=f"{block.pk}_%s")


def known_tab(tab: str) -> str:
    """One of the tabs; the first where it is none. Raises Http404 for a tab that never was."""
    if tab and tab not in TABS:
        raise Http404(tab)
    return tab or "settings"
