"""The tools library and the tool page."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh, retarget

from access.activity import actor_of
from access.replies import PageRequest, go, show, wants_part, with_news, with_toast
from tools.forms import SWITCHES, NewToolForm, SourceForm, SwitchForm, ToolExecutionForm
from tools.library import ToolProblem, change_tool, create_tool, delete_tool
from tools.models import Tool
from tools.pages import TABS, show_tool
from tools.static_check import inspect_source
from tools.typescript import PYTHON, TYPESCRIPT

PAGE_SIZE = 100
CHANGED = "tool-changed"
"""The event by which other parts of a page learn that a tool is not as it was."""

LANGUAGES = {PYTHON: "Python", TYPESCRIPT: "TypeScript"}
STARTING_SOURCE = '''def word_count(text: str) -> int:
    """Count the words of a text.

    Args:
        text: The text to count.
    """
    return len(text.split())
'''
STARTING_TYPESCRIPT = """export async function word_count(text: string): Promise<number> {
  return text.split(/\\s+/).filter(Boolean).length
}
"""
STARTING_SCHEMA = {
    "name": "word_count",
    "description": "Count the words of a text.",
    "parameters": {
        "type": "object",
        "properties": {"text": {"type": "string", "description": "The text to count."}},
        "required": ["text"],
    },
}


@require_GET
def tool_list(request: PageRequest) -> HttpResponse:
    """The library: searched by q, narrowed by mode (parallel or sequential)."""
    q, mode = request.GET.get("q", "").strip(), request.GET.get("mode", "")
    page = Paginator(_found(q, mode), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "q": q, "mode": mode, "has_tools": bool(page) or bool(q or mode)}
    part = "#table" if wants_part(request, "tool-table") else ""
    return show(request, f"tools/list.html{part}", context)


def _found(q: str, mode: str) -> QuerySet[Tool]:
    tools = Tool.objects.annotate(agent_count=Count("agents")).order_by("name")
    tools = tools.defer("source_code", "json_schema", "metadata")
    if q:
        tools = tools.filter(Q(name__icontains=q) | Q(description__icontains=q) | Q(tags__icontains=q))
    if mode in ("parallel", "sequential"):
        tools = tools.filter(enable_parallel_execution=mode == "parallel")
    return tools


def _new_tool_form(language: str) -> NewToolForm:
    source = STARTING_TYPESCRIPT if language == TYPESCRIPT else STARTING_SOURCE
    given = {"source_code": source, "source_type": language, "json_schema": STARTING_SCHEMA}
    return NewToolForm(initial=given, language=language)


@require_http_methods(["GET", "POST"])
def create(request: PageRequest) -> HttpResponse:
    """A new tool from its source, in the language that is asked for."""
    asked = request.GET if request.method == "GET" else request.POST
    language = TYPESCRIPT if TYPESCRIPT in (asked.get("language"), asked.get("source_type")) else PYTHON
    context = {"languages": LANGUAGES, "language": language}
    if request.method == "GET":
        return show(request, "tools/create.html", {"form": _new_tool_form(language), **context})
    form = NewToolForm(request.POST, language=language)
    if form.is_valid():
        source = form.cleaned_data.pop("source_code")
        try:
            tool = create_tool(actor_of(request), source_code=source, fields=form.cleaned_data)
            return go(request, reverse("tools:detail", args=[tool.pk]), f"Tool {tool.name} created")
        except ToolProblem as problem:
            form.refuse(str(problem), problem.problems)
    part = "#form" if wants_part(request) else ""
    return show(request, f"tools/create.html{part}", {"form": form, **context}, status=422)


@require_GET
def detail(request: PageRequest, tool_id: str) -> HttpResponse:
    """The tool page at one of its tabs."""
    tab = request.GET.get("tab", "code")
    return show_tool(request, _tool(tool_id), tab if tab in TABS else "code")


@require_POST
def switch(request: PageRequest, tool_id: str, field: str) -> HttpResponse:
    """One switch is flipped; rule 2.5: it holds from the next batch on."""
    if field not in SWITCHES:
        raise Http404(field)
    tool, form = _tool(tool_id), SwitchForm.asked(request.GET, request.POST, field)
    if not form.is_valid():
        return HttpResponse(status=400)
    tool = change_tool(actor_of(request), tool, {field: form.is_on})
    shown = request.GET.get("shown") or request.POST.get("shown") or "setting"
    said = f"{tool.name}: {SWITCHES[field][0 if form.is_on else 1].lower()}"
    if not request.htmx:
        return go(request, reverse("tools:detail", args=[tool.pk]) + "?tab=settings", said)
    is_undo = "to" in request.GET
    context = {
        "tool": tool,
        "field": field,
        "shown": shown,
        "oob": is_undo,
        "findings": inspect_source(tool.source_code),
    }
    back = "" if is_undo else f"{request.path}?to={'off' if form.is_on else 'on'}&shown={shown}"
    template = "tools/switch_cell.html" if shown == "row" else "tools/switch.html"
    response = with_toast(show(request, template, context), "Undone" if is_undo else said, undo=back)
    return with_news(response, CHANGED)


@require_POST
def save_source(request: PageRequest, tool_id: str) -> HttpResponse:
    """New source; the schema follows from it. What was typed stays, whatever is wrong with it."""
    tool = _tool(tool_id)
    form = SourceForm(request.POST, language=tool.source_type)
    if not form.is_valid():
        return show_tool(request, tool, "code", {"form": form}, status=422)
    try:
        saved = change_tool(actor_of(request), tool, form.cleaned_data)
    except ToolProblem as problem:
        form.refuse(str(problem), problem.problems)
        return show_tool(request, tool, "code", {"form": form}, status=422)
    if not request.htmx:
        return go(request, reverse("tools:detail", args=[tool.pk]), "Saved")
    if saved.name != tool.name:
        return HttpResponseClientRefresh()
    return with_news(
        with_toast(
            _source_saved(request, saved), "Saved" if tool.source_type == TYPESCRIPT else "Saved, schema derived"
        ),
        CHANGED,
    )


def _source_saved(request: PageRequest, tool: Tool) -> HttpResponse:
    """The editor stays as it is, cursor and all, unless it still marks a problem."""
    if request.POST.get("had_problems"):
        return show_tool(request, tool, "code")
    return retarget(show(request, "tools/tabs/code.html#derived", {"tool": tool}), "#derived")


@require_POST
def save_settings(request: PageRequest, tool_id: str) -> HttpResponse:
    """The fields of the Settings tab that are not switches."""
    tool = _tool(tool_id)
    form = ToolExecutionForm(request.POST, instance=_tool(tool_id))
    if form.is_valid():
        try:
            tool = change_tool(actor_of(request), tool, form.cleaned_data)
        except ToolProblem as problem:
            form.add_error(None, str(problem))
    if not form.is_valid():
        bound = {"form": form, "findings": inspect_source(tool.source_code)}
        return show_tool(request, tool, "settings", bound, status=422)
    if not request.htmx:
        return go(request, reverse("tools:detail", args=[tool.pk]) + "?tab=settings", "Saved")
    return with_news(with_toast(show_tool(request, tool, "settings"), "Saved"), CHANGED)


@require_POST
def delete(request: PageRequest, tool_id: str) -> HttpResponse:
    """The tool is gone."""
    tool = _tool(tool_id)
    try:
        delete_tool(actor_of(request), tool)
    except ToolProblem as problem:
        return HttpResponse(str(problem), status=400, content_type="text/plain")
    return go(request, reverse("tools:list"), f"Tool {tool.name} deleted")


def _tool(tool_id: str) -> Tool:
    return get_object_or_404(Tool, pk=tool_id)
