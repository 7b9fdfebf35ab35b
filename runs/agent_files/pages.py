"""Agents as files on the pages: a download, and the form that takes one."""

from __future__ import annotations

import json
import re
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from access.activity import actor_of
from access.replies import PageRequest, go, show, wants_part
from agents.forms import HandleField, model_suggestions
from agents.models import Agent
from agents.variables import VariableProblem
from runs.agent_files.export import export_agent
from runs.agent_files.importing import Imported, Wishes, import_agents
from runs.agent_files.shape import AgentFileProblem, read_agent_file
from tools.forms import text_input

# The form for a new agent stands on the same page, with fields of the same names.
_IDS = "import_%s"


class ImportForm(forms.Form):
    """An agent file, and what shall be otherwise than in it."""

    file = forms.FileField(
        label="Agent file",
        widget=forms.FileInput(attrs={"class": "form-control", "accept": ".af,.json,application/json"}),
    )
    name = forms.CharField(max_length=200, required=False, widget=text_input("as in the file"))
    model = HandleField(
        required=False,
        max_length=200,
        help_text="Another model than the file's, where this server has no key for that one.",
        widget=text_input("as in the file", list="model-handles", spellcheck="false"),
    )
    with_messages = forms.BooleanField(required=False)
    overrides_tools = forms.BooleanField(required=False)

    def wishes(self) -> Wishes:
        """What was asked for."""
        asked = self.cleaned_data
        return Wishes(
            name=asked["name"],
            model=asked["model"],
            appends_copy=False,
            overrides_tools=asked["overrides_tools"],
            strips_messages=not asked["with_messages"],
        )


@require_GET
def download(request: PageRequest, agent_id: str) -> HttpResponse:
    """The agent as a file; `messages=no` leaves its history out. Values of secrets are never in it."""
    agent = get_object_or_404(Agent, pk=agent_id)
    try:
        content = export_agent(agent, with_messages=request.GET.get("messages") != "no")
    except VariableProblem as problem:
        return HttpResponse(str(problem), content_type="text/plain; charset=utf-8", status=409)
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", agent.name).strip("_")[:80] or "agent"
    text = json.dumps(content, indent=2, ensure_ascii=False)
    response = HttpResponse(text.encode("utf-8", errors="backslashreplace"), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{name}.af"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_http_methods(["GET", "POST"])
def upload(request: PageRequest) -> HttpResponse:
    """Agents from a file, from the dialog of the list or from its own page."""
    if request.method == "GET":
        return _show(request, ImportForm(auto_id=_IDS, initial={"with_messages": True}))
    form = ImportForm(request.POST, request.FILES, auto_id=_IDS)
    if form.is_valid():
        try:
            file = read_agent_file(form.cleaned_data["file"].read())
            return _arrive(request, import_agents(actor_of(request), file, form.wishes()))
        except AgentFileProblem as problem:
            form.add_error("file", str(problem))
    return _show(request, form, status=422)


def _arrive(request: PageRequest, made: Imported) -> HttpResponse:
    for warning in made.warnings:
        messages.warning(request, warning)
    if len(made.agents) == 1:
        agent = made.agents[0]
        return go(request, reverse("agents:detail", args=[agent.pk]), f"Agent {agent.name} imported")
    return go(request, reverse("agents:list"), f"{len(made.agents)} agents imported")


def _show(request: PageRequest, form: ImportForm, *, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "suggestions": model_suggestions()}
    part = "#form" if wants_part(request, "import-agent-form") else ""
    return show(request, f"runs/agent_files/import.html{part}", context, status=status)
