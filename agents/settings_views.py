"""The Settings tab of the agent page: two panels and one switch."""

from __future__ import annotations

from typing import Any

from django.forms import ModelForm
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_news, with_toast
from agents.forms import AboutForm, LLMConfigForm
from agents.models import Agent
from agents.pages import about_context, agent_url, find_agent, llm_context, show_agent
from agents.problems import AgentProblem
from agents.roster import change_agent
from tools.forms import SwitchForm

CHANGED = "agent-changed"
"""The event by which other parts of a page learn that the agent is not as it was."""


@require_POST
def switch_parallel(request: PageRequest, agent_id: str) -> HttpResponse:
    """The agent's flag is flipped; what that comes to is the one sentence of rule 1.3."""
    agent = find_agent(agent_id)
    form = SwitchForm.asked(request.GET, request.POST, "parallel_tool_calls")
    if not form.is_valid():
        return HttpResponse(status=400)
    agent = change_agent(actor_of(request), agent, {"parallel_tool_calls": form.is_on})
    if not request.htmx:
        return go(request, agent_url(agent, "settings"), "Saved")
    is_undo = "to" in request.GET
    back = "" if is_undo else f"{request.path}?to={'off' if form.is_on else 'on'}"
    response = show(request, "agents/parallel_switch.html", llm_context(agent) | {"oob": is_undo})
    return with_news(with_toast(response, "Undone" if is_undo else "Saved", undo=back), CHANGED)


@require_POST
def save_about(request: PageRequest, agent_id: str) -> HttpResponse:
    """Name, description, tags and system instructions."""
    agent = find_agent(agent_id)
    form = AboutForm(request.POST, instance=find_agent(agent_id), auto_id="about_%s")
    saved = _save(request, agent, form)
    context = about_context(saved or agent)
    return _answer(request, saved, agent, "agents/panels/about.html", context if saved else context | {"about": form})


@require_POST
def save_llm_config(request: PageRequest, agent_id: str) -> HttpResponse:
    """The model and what is asked of it."""
    agent = find_agent(agent_id)
    form = LLMConfigForm(request.POST, instance=find_agent(agent_id), auto_id="llm_%s")
    saved = _save(request, agent, form)
    context = llm_context(saved or agent)
    return _answer(request, saved, agent, "agents/panels/llm.html", context if saved else context | {"llm": form})


def _save(request: PageRequest, agent: Agent, form: ModelForm[Agent]) -> Agent | None:
    """The changed agent; None where the form now says why not. The form has an agent of its own to check on."""
    if not form.is_valid():
        return None
    try:
        return change_agent(actor_of(request), agent, form.cleaned_data)
    except AgentProblem as problem:
        form.add_error(None, str(problem))
        return None


def _answer(
    request: PageRequest, saved: Agent | None, agent: Agent, template: str, context: dict[str, Any]
) -> HttpResponse:
    """The panel again: as saved, or with everything that was typed and what is wrong with it."""
    if not request.htmx:
        if saved:
            return go(request, agent_url(agent, "settings"), "Saved")
        return show_agent(request, agent, "settings", context, status=422)
    if saved is None:
        return show(request, template, context, status=422)
    return with_news(with_toast(show(request, template, context), "Saved"), CHANGED)
