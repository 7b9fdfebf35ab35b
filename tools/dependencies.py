"""The Dependencies tab: which packages a tool has, and the environment that they are installed in."""

from __future__ import annotations

import asyncio
import logging

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.shortcuts import aget_object_or_404, get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from access.activity import actor_of
from access.replies import PageRequest, go, show, with_news, with_toast
from sandbox.environments import BuildState
from sandbox.requirements import Requirements
from sandbox.specs import SandboxUnavailable
from tools.forms import DependenciesForm
from tools.library import ToolProblem, change_tool
from tools.models import Tool
from tools.pages import dependencies_context, show_tool
from tools.sandboxes import environments, packages_of
from tools.views import CHANGED

log = logging.getLogger(__name__)

_builds: set[asyncio.Task[None]] = set()


@require_POST
def save(request: PageRequest, tool_id: str) -> HttpResponse:
    """Other packages; the next call, or Build now, installs them."""
    tool = get_object_or_404(Tool, pk=tool_id)
    form = DependenciesForm(request.POST, language=tool.source_type)
    if form.is_valid():
        try:
            tool = change_tool(actor_of(request), tool, {form.field: form.cleaned_data["requirements"]})
        except ToolProblem as problem:
            form.add_error("requirements", str(problem))
    if not form.is_valid():
        return show_tool(request, tool, "dependencies", {"form": form}, status=422)
    if not request.htmx:
        return go(request, reverse("tools:detail", args=[tool.pk]) + "?tab=dependencies", "Saved")
    return with_news(with_toast(show_tool(request, tool, "dependencies"), "Saved"), CHANGED)


@require_GET
def environment(request: PageRequest, tool_id: str) -> HttpResponse:
    """How it stands now: asked again and again while it is built."""
    return _part(request, get_object_or_404(Tool, pk=tool_id))


@require_POST
async def build(request: PageRequest, tool_id: str) -> HttpResponse:
    """Install the packages now, whatever became of it last time. The answer does not wait for the end."""
    tool = await aget_object_or_404(Tool, pk=tool_id)
    requirements = packages_of(tool)
    if requirements and environments().standing(requirements).state is not BuildState.BUILDING:
        environments().forget_failure(requirements)
        begun = asyncio.Event()
        task = asyncio.create_task(_build(requirements, begun))
        _builds.add(task)
        task.add_done_callback(_builds.discard)
        await begun.wait()
    if not request.htmx:
        return go(request, reverse("tools:detail", args=[tool.pk]) + "?tab=dependencies")
    return await sync_to_async(_part)(request, tool)


async def _build(requirements: Requirements, begun: asyncio.Event) -> None:
    try:
        await environments().ready(requirements, lambda _: begun.set())
    except SandboxUnavailable as problem:
        log.info("an environment could not be built: %s", problem)
    finally:
        begun.set()


def _part(request: PageRequest, tool: Tool) -> HttpResponse:
    return show(request, "tools/tabs/dependencies.html#environment", {"tool": tool, **dependencies_context(tool)})
