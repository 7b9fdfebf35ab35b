"""The tool page, whole or as the drawer over another page: what it shows, drawn in one place."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django_htmx.http import replace_url
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JsonLexer

from access.replies import PageRequest, show, wants_part
from tools.built_in import is_built_in
from tools.forms import DependenciesForm, SourceForm, ToolExecutionForm
from tools.models import Tool, ToolType
from tools.sandboxes import environments, packages_of
from tools.static_check import inspect_source
from tools.trial_form import fields_of

TABS = {"code": "Code", "schema": "Schema", "test": "Test", "dependencies": "Dependencies", "settings": "Settings"}
DRAWER = "drawer-body"
MOST_LENDERS = 500


def show_tool(
    request: PageRequest, tool: Tool, tab: str, bound: dict[str, Any] | None = None, *, status: int = 200
) -> HttpResponse:
    """The tool's page at a tab. `bound` replaces what the tab would show, as a form with its errors."""
    context = tool_context(request, tool, tab) | (bound or {})
    if not wants_part(request):
        return show(request, "tools/tool.html", context, status=status)
    response = show(request, "tools/tool.html#body", context, status=status)
    return _at_drawer_url(request, response, tool, tab) if wants_part(request, DRAWER) else response


def tool_context(request: PageRequest, tool: Tool, tab: str) -> dict[str, Any]:
    """What the tab's templates need."""
    url = reverse("tools:detail", args=[tool.pk])
    shown = TABS if tool.tool_type == ToolType.CUSTOM else {key: TABS[key] for key in TABS if key != "dependencies"}
    tabs = [{"label": label, "url": f"{url}?tab={key}", "active": key == tab} for key, label in shown.items()]
    context = {
        "tool": tool,
        "tab": tab,
        "tabs": tabs,
        "tab_template": f"tools/tabs/{tab}.html",
        "target": f"#{DRAWER}" if wants_part(request, DRAWER) else "#tool-body",
        "in_drawer": wants_part(request, DRAWER),
        "is_custom": tool.tool_type == ToolType.CUSTOM,
        "is_built_in": is_built_in(tool),
    }
    match tab:
        case "code":
            given = {"source_code": tool.source_code, "json_schema": tool.json_schema}
            context["form"] = SourceForm(initial=given, language=tool.source_type)
        case "schema":
            context |= schema_context(tool)
        case "test":
            context |= {"fields": fields_of(tool.parameters, {}), "lenders": lenders_of(tool)}
        case "dependencies":
            context |= dependencies_context(tool)
        case _:
            context |= {"form": ToolExecutionForm(instance=tool), "findings": inspect_source(tool.source_code)}
    return context


def dependencies_context(tool: Tool) -> dict[str, Any]:
    """The packages that the tool asks for, and how it stands with the environment that has them."""
    requirements = packages_of(tool)
    lines = "\n".join(one.line for one in requirements)
    standing = environments().standing(requirements) if requirements else None
    return {"form": DependenciesForm(initial={"requirements": lines}, language=tool.source_type), "standing": standing}


def schema_context(tool: Tool) -> dict[str, Any]:
    """The schema as text, and highlighted with CSS classes."""
    text = json.dumps(tool.json_schema, indent=2, ensure_ascii=False)
    return {"schema": text, "schema_html": highlight_json(text)}


def lenders_of(tool: Tool) -> list[tuple[str, str]]:
    """The agents, (id, name), whose variables a trial of the tool may use: those that have it."""
    return list(tool.agents.order_by("name").values_list("pk", "name")[:MOST_LENDERS])


def highlight_json(text: str) -> SafeString:
    """JSON as HTML with Pygments' classes; the text itself is escaped."""
    formatter: HtmlFormatter[str] = HtmlFormatter(nowrap=True)
    return mark_safe(highlight(text, JsonLexer(), formatter))


def _at_drawer_url(request: PageRequest, response: HttpResponse, tool: Tool, tab: str) -> HttpResponse:
    """The page beneath keeps its address, with the open tool in it, so that a reload opens the same drawer."""
    beneath = urlsplit(request.htmx.current_url_abs_path or "")
    if request.method != "GET" or not beneath.path:
        return response
    query = QueryDict(beneath.query, mutable=True)
    query["tool"], query["panel"] = tool.pk, tab
    return replace_url(response, f"{beneath.path}?{urlencode(list(query.items()))}")
