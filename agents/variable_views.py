"""The Variables tab of the agent page."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, with_toast
from agents.models import Agent, AgentVariable
from agents.pages import agent_url, find_agent, show_agent
from agents.variable_forms import new_variable_form, variable_form, variables_context
from agents.variables import VariableProblem, add_variable, change_variable, delete_variable


@require_POST
def add(request: PageRequest, agent_id: str) -> HttpResponse:
    """One more variable."""
    agent = find_agent(agent_id)
    form = new_variable_form(request.POST)
    if form.is_valid():
        key, value, is_secret = (form.cleaned_data[name] for name in ("key", "value", "is_secret"))
        try:
            add_variable(actor_of(request), agent, key, value, is_secret=is_secret)
            return _answer(request, agent, f"{key} added")
        except VariableProblem as problem:
            form.add_error(problem.field, str(problem))
    return _refuse(request, agent, variables_context(agent, new=form))


@require_POST
def save(request: PageRequest, agent_id: str, key: str) -> HttpResponse:
    """Another value, or shown instead of secret; an empty field keeps a secret's value."""
    agent = find_agent(agent_id)
    form = variable_form(get_object_or_404(AgentVariable, agent=agent, key=key), request.POST)
    if form.is_valid():
        try:
            change_variable(actor_of(request), agent, key, form.new_value, is_secret=form.cleaned_data["is_secret"])
            return _answer(request, agent, f"{key} saved")
        except VariableProblem as problem:
            form.add_error("value", str(problem))
    return _refuse(request, agent, variables_context(agent, changed={key: form}))


@require_POST
def delete(request: PageRequest, agent_id: str, key: str) -> HttpResponse:
    """One variable less."""
    agent = find_agent(agent_id)
    delete_variable(actor_of(request), agent, key)
    return _answer(request, agent, f"{key} deleted")


def _answer(request: PageRequest, agent: Agent, said: str) -> HttpResponse:
    if not request.htmx:
        return go(request, agent_url(agent, "variables"), said)
    return with_toast(show_agent(request, agent, "variables"), said)


def _refuse(request: PageRequest, agent: Agent, context: dict[str, Any]) -> HttpResponse:
    return show_agent(request, agent, "variables", context, status=422)
