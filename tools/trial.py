"""The Test tab: a tool run by a person, once or several times at once, in the same sandbox as a model's calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from access.replies import PageRequest
from engine.arguments import ArgumentProblem, check_arguments
from sandbox.specs import SandboxResult, SandboxUnavailable
from tools import toolbox
from tools.models import Tool
from tools.pages import show_tool
from tools.trial_form import ArgumentField, arguments_text, fields_of

MOST_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One of the runs. Times are seconds from the start of the trial."""

    number: int
    started: float
    ended: float
    result: SandboxResult

    @property
    def duration_ms(self) -> float:
        return (self.ended - self.started) * 1000


@dataclass(frozen=True, slots=True)
class Trial:
    """All runs of one trial. `overlap` is the most that ran at the same moment."""

    runs: tuple[TrialRun, ...]

    @property
    def wall_ms(self) -> float:
        return max(run.ended for run in self.runs) * 1000

    @property
    def work_ms(self) -> float:
        return sum(run.duration_ms for run in self.runs)

    @property
    def overlap(self) -> int:
        return max(sum(other.started <= run.started < other.ended for other in self.runs) for run in self.runs)


@require_POST
async def run(request: PageRequest, tool_id: str) -> HttpResponse:
    """Run the tool with the arguments of the form, `times` of it in parallel."""
    tool = await Tool.objects.filter(pk=tool_id).afirst()
    if tool is None:
        raise Http404(tool_id)
    fields = fields_of(tool.parameters, request.POST)
    times = _times(request.POST.get("times", ""))
    bound = {"fields": fields, "times": times, **await _outcome(tool, fields, times)}
    return await sync_to_async(show_tool)(request, tool, "test", bound, status=422 if "problem" in bound else 200)


def _times(text: str) -> int:
    return min(max(int(text), 1), MOST_AT_ONCE) if text.isdigit() else 1


async def _outcome(tool: Tool, fields: list[ArgumentField], times: int) -> dict[str, Any]:
    """The trial, or the problem: for wrong arguments the very message that a model would get."""
    checked = check_arguments(arguments_text(fields), tool.parameters)
    if isinstance(checked, ArgumentProblem):
        return {"problem": checked.message}
    outcome: dict[str, Any] = {}
    try:
        outcome["trial"] = await try_tool(tool, checked.values, times)
    except* SandboxUnavailable as group:
        outcome["problem"] = str(group.exceptions[0])
    return outcome


async def try_tool(tool: Tool, arguments: Mapping[str, Any], times: int) -> Trial:
    """Run the tool so many times at once. Caps and lock groups do not apply: the point is to see calls overlap."""
    begun = time.monotonic()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_run_once(tool, arguments, number, begun)) for number in range(1, times + 1)]
    return Trial(tuple(task.result() for task in tasks))


async def _run_once(tool: Tool, arguments: Mapping[str, Any], number: int, begun: float) -> TrialRun:
    started = time.monotonic() - begun
    result = await toolbox.run_source(tool, arguments, None)
    return TrialRun(number, started, time.monotonic() - begun, result)
