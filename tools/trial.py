"""The Test tab: a tool run by a person, once or several times at once, in the same way as a model's calls."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_POST

from access.replies import PageRequest
from engine.arguments import ArgumentProblem, check_arguments
from engine.ids import new_call_id
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Mode, ToolCall, ToolResult, ToolSpec
from sandbox.specs import SandboxResult, SandboxUnavailable
from tools import toolbox
from tools.models import Tool, ToolType
from tools.pages import show_tool
from tools.toolbox import EQUIPPERS, Caller, CannotEquip, Equipment, Toolbox
from tools.trial_form import ArgumentField, arguments_text, fields_of

MOST_AT_ONCE = 16
LIVE = "application/x-ndjson"
"""What a browser accepts that wants to see the output while it comes."""

OnPiece = Callable[[int, str, str], None]
"""Told the number of the run, the stream (stdout or stderr) and the text, as a tool prints."""


@dataclass(frozen=True, slots=True)
class TrialRun:
    """One of the runs. Times are seconds from the start of the trial."""

    number: int
    started: float
    ended: float
    result: SandboxResult | ToolResult

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


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form asks: this tool, with these fields, so many times, as a call of this agent ("" for none)."""

    tool: Tool
    fields: list[ArgumentField]
    times: int
    agent_id: str = ""


@require_POST
async def run(request: PageRequest, tool_id: str) -> HttpResponseBase:
    """Run the tool with the arguments of the form, `times` of it in parallel; the output live where that is accepted."""
    tool = await Tool.objects.filter(pk=tool_id).afirst()
    if tool is None:
        raise Http404(tool_id)
    fields, times = fields_of(tool.parameters, request.POST), _times(request.POST.get("times", ""))
    asked = Asked(tool, fields, times, request.POST.get("agent_id", ""))
    if LIVE in request.headers.get("Accept", ""):
        return StreamingHttpResponse(_live(request, asked), content_type=LIVE)
    return await _show(request, asked, await _outcome(asked, None))


def _times(text: str) -> int:
    return min(max(int(text), 1), MOST_AT_ONCE) if text.isdecimal() else 1


async def _show(request: PageRequest, asked: Asked, outcome: dict[str, Any]) -> HttpResponse:
    bound = {"fields": asked.fields, "times": asked.times, "agent_id": asked.agent_id, **outcome}
    status = 422 if "problem" in outcome else 200
    return await sync_to_async(show_tool)(request, asked.tool, "test", bound, status=status)


async def _live(request: PageRequest, asked: Asked) -> AsyncIterator[str]:
    """A line of JSON for each piece of output, the last one with the page's part; who leaves ends the runs."""
    pieces: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def tell(number: int, stream: str, text: str) -> None:
        pieces.put_nowait({"run": number, "stream": stream, "text": text})

    outcome = asyncio.create_task(_outcome(asked, tell))
    outcome.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        while (piece := await pieces.get()) is not None:
            yield json.dumps(piece) + "\n"
        shown = await _show(request, asked, outcome.result())
        yield json.dumps({"html": shown.content.decode()}) + "\n"
    finally:
        outcome.cancel()
        await asyncio.gather(outcome, return_exceptions=True)


async def _outcome(asked: Asked, on_piece: OnPiece | None) -> dict[str, Any]:
    """The trial, or the problem: for wrong arguments the very message that a model would get."""
    checked = check_arguments(arguments_text(asked.fields), asked.tool.parameters)
    if isinstance(checked, ArgumentProblem):
        return {"problem": checked.message}
    outcome: dict[str, Any] = {}
    try:
        equipment = await _equipment(asked)
        outcome["trial"] = await try_tool(asked.tool, checked.values, asked.times, on_piece, equipment)
    except* (SandboxUnavailable, CannotEquip) as group:
        outcome["problem"] = str(group.exceptions[0])
    return outcome


async def _equipment(asked: Asked) -> Equipment:
    """What the chosen agent gives its calls of the tool. Raises CannotEquip."""
    if not asked.agent_id:
        return Equipment(asked.tool)
    if not await asked.tool.agents.filter(pk=asked.agent_id).aexists():
        raise CannotEquip("The agent that was chosen no longer has this tool. Choose another, or none.")
    return await EQUIPPERS[0](Caller(asked.agent_id), asked.tool.pk)


async def try_tool(
    tool: Tool,
    arguments: Mapping[str, Any],
    times: int,
    on_piece: OnPiece | None = None,
    equipment: Equipment | None = None,
) -> Trial:
    """Run the tool so many times at once. Caps and lock groups do not apply: the point is to see calls overlap."""
    begun = time.monotonic()

    async def run_once(number: int) -> TrialRun:
        started = time.monotonic() - begun
        result = await _call(tool, arguments, partial(on_piece, number) if on_piece else None, equipment)
        return TrialRun(number, started, time.monotonic() - begun, result)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run_once(number)) for number in range(1, times + 1)]
    return Trial(tuple(task.result() for task in tasks))


async def _call(
    tool: Tool, arguments: Mapping[str, Any], on_output: OnOutput | None, equipment: Equipment | None
) -> SandboxResult | ToolResult:
    if tool.tool_type == ToolType.CUSTOM:
        return await toolbox.run_source(tool, arguments, on_output, equipment)

    async def equip(caller: Caller, tool_id: str) -> Equipment:
        return equipment or Equipment(tool)

    call = ToolCall(new_call_id(), tool.name, json.dumps(arguments), 0)
    planned = PlannedCall(call, Mode.SEQUENTIAL, "", ToolSpec(tool.pk, tool.name), arguments)
    return await Toolbox(equip).of(Caller(""))(planned, on_output or (lambda stream, text: None))
