"""The Rules tab of the agent page."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_news, with_toast
from agents.models import Agent
from agents.pages import agent_url, find_agent, rules_context, show_agent
from agents.problems import AgentProblem
from agents.roster import change_agent
from agents.rule_words import rule_from_form
from agents.settings_views import CHANGED


@require_POST
def add(request: PageRequest, agent_id: str) -> HttpResponse:
    """One more rule."""
    agent = find_agent(agent_id)
    rule = rule_from_form(request.POST, request.POST.getlist("children"))
    problem = _incomplete(rule)
    if not problem:
        try:
            agent = change_agent(actor_of(request), agent, {"tool_rules": [*agent.tool_rules, rule]})
        except AgentProblem as error:
            problem = str(error)
    if not problem:
        return _answer(request, agent, "Rule added")
    refused = {"rule_problem": problem, "refused_type": rule["type"], "typed": _typed(request)}
    if not request.htmx:
        return show_agent(request, agent, "rules", refused, status=422)
    return show(request, "agents/left/rules.html", rules_context(agent) | refused, status=422)


@require_POST
def remove(request: PageRequest, agent_id: str) -> HttpResponse:
    """One rule less. It is named by its place and its type, so that a list that changed meanwhile loses no other rule."""
    agent = find_agent(agent_id)
    index, kind = request.POST.get("index", ""), request.POST.get("type")
    rules = list(agent.tool_rules)
    if not index.isdigit() or int(index) >= len(rules) or rules[int(index)]["type"] != kind:
        return _answer(request, agent, "The rules have changed meanwhile; look again", tone="warn")
    del rules[int(index)]
    return _answer(request, change_agent(actor_of(request), agent, {"tool_rules": rules}), "Rule removed")


@require_GET
def preview(request: PageRequest, agent_id: str) -> HttpResponse:
    """What may come next after the calls named by `step`."""
    context = rules_context(find_agent(agent_id), request.GET.getlist("step"))
    return show(request, "agents/panels/walk.html", context)


def _incomplete(rule: dict[str, Any]) -> str:
    """What the form still lacks, "" for nothing; the rest is for the reader of rules to say."""
    if not rule["tool_name"]:
        return "Choose a tool."
    if rule.get("children") == []:
        return "Choose at least one tool that follows."
    if rule.get("child_output_mapping") == {} and not rule.get("default_child"):
        return "Write at least one line: return = tool."
    return ""


def _typed(request: PageRequest) -> dict[str, Any]:
    return {**request.POST.dict(), "children": request.POST.getlist("children")}


def _answer(request: PageRequest, agent: Agent, said: str, *, tone: str = "good") -> HttpResponse:
    if not request.htmx:
        return go(request, agent_url(agent, "rules"), said)
    response = show(request, "agents/left/rules.html", rules_context(agent))
    return with_news(with_toast(response, said, tone=tone), CHANGED)
