"""Tools that whoever sends the message runs itself: asked for as approvals are, returned with the decision."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.test import Client

from access.keys import first_person
from agents.models import Agent
from api.dispatching import Envelope, begin
from api.errors import ApiProblem
from api.schemas.inputs import Sent
from api.schemas.runs import letta_response
from api.sse import Listening, stream
from engine.checker import LogRow, Verdict, check
from engine.plan import PlannedCall
from engine.ports import OnOutput
from engine.specs import Outcome, ToolResult
from engine.testing import FakeToolbox
from llms.testing import ScriptedClient, asks_for, says
from llms.types import Role
from runs.database import in_database
from runs.dispatch import cancel_runs, pending_calls
from runs.follow import read_log
from runs.models import Message, Run, ToolCall
from tests.workers import ToolboxDouble, ended, make_agent, working

pytestmark = pytest.mark.django_db(transaction=True)

LOOK = {
    "name": "look",
    "description": "Looks out of the window",
    "parameters": {"type": "object", "properties": {"where": {"type": "string"}}, "required": ["where"]},
}


async def begun(agent: Agent, **body: Any) -> Run:
    envelope = Envelope("test", b"", 0, rejects_when_busy=False)
    sent = Sent(**body)
    return await in_database(begin, agent.pk, sent, envelope, is_background=True, is_token_streamed=False)


async def held(run: Run) -> dict[str, str]:
    """The calls that wait, by name."""
    return {call.name: call.pk for call in await in_database(pending_calls, run)}


async def verdict_of(*runs: Run) -> Verdict:
    rows = []
    for run in runs:
        rows += [LogRow(run.pk, row.seq, row.type, row.at, row.data) for row in await in_database(read_log, run.pk)]
    return check(rows)


def returned(call_id: str, text: Any = "rain", status: str = "success") -> dict[str, Any]:
    return {"type": "tool", "tool_call_id": call_id, "tool_return": text, "status": status}


async def test_the_model_is_told_of_them_and_a_call_ends_the_run() -> None:
    agent = await in_database(make_agent, "search")
    scripted = ScriptedClient(asks_for(("look", {"where": "north"})))
    async with working(scripted):
        run = await ended((await begun(agent, input="Weather?", client_tools=[LOOK])).pk)
    told = scripted.requests[0].tools
    assert [(tool.name, tool.description) for tool in told] == [("search", ""), ("look", "Looks out of the window")]
    assert told[1].parameters["required"] == ["where"]
    assert (run.status, run.stop_reason) == ("completed", "requires_approval")
    messages = (await in_database(letta_response, run, None))["messages"]
    assert [message["message_type"] for message in messages] == ["approval_request_message"]
    assert messages[0]["tool_call"]["name"] == "look"


@pytest.mark.parametrize("form", ["approval", "tool_return"])
async def test_the_return_goes_to_the_model_and_the_run_goes_on(form: str) -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(asks_for(("look", {"where": "north"})), says("It rains."))
    toolbox = FakeToolbox()
    async with working(scripted, toolbox):
        first = await ended((await begun(agent, input="Weather?", client_tools=[LOOK])).pk)
        item = returned((await held(first))["look"], [{"type": "text", "text": "rain"}])
        key = "approvals" if form == "approval" else "tool_returns"
        second = await ended((await begun(agent, messages=[{"type": form, key: [item]}])).pk)
    assert (second.stop_reason, second.resumes_run_id, toolbox.ran) == ("end_turn", first.pk, [])
    last = scripted.requests[1].messages[-1]
    assert (last.role, last.text, last.is_error) == (Role.TOOL, "rain", False)
    assert [tool.name for tool in scripted.requests[1].tools] == ["look"]  # still told of it
    verdict = await verdict_of(first, second)
    assert verdict.is_ok, verdict.findings
    call = await in_database(ToolCall.objects.get)
    assert (call.state, call.text, call.attempt) == ("success", "rain", 1)
    response = await in_database(letta_response, second, None)
    assert [message["message_type"] for message in response["messages"]] == ["tool_return_message", "assistant_message"]


async def test_an_error_of_the_client_is_one_for_the_model() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(asks_for(("look", {"where": "north"})), says("No luck."))
    async with working(scripted):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        item = returned((await held(first))["look"], "The curtain is drawn.", "error") | {"stderr": ["dark"]}
        second = await ended((await begun(agent, messages=[{"type": "tool_return", "tool_returns": [item]}])).pk)
    last = scripted.requests[1].messages[-1]
    assert (last.text, last.is_error) == ("The curtain is drawn.", True)
    row = await in_database(Message.objects.get, run=second, role="tool")
    assert (row.returns[0]["outcome"], row.returns[0]["stderr"]) == ("error", "dark")
    verdict = await verdict_of(first, second)
    assert verdict.is_ok, verdict.findings


async def test_a_client_tool_stands_before_a_tool_of_the_agent_of_the_same_name() -> None:
    agent = await in_database(make_agent, "look")
    toolbox = FakeToolbox()
    scripted = ScriptedClient(asks_for(("look", {"where": "north"})))
    async with working(scripted, toolbox):
        run = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
    assert [tool.description for tool in scripted.requests[0].tools] == ["Looks out of the window"]
    assert (run.stop_reason, toolbox.ran) == ("requires_approval", [])


async def test_free_calls_of_the_batch_wait_and_all_returns_come_in_the_models_order() -> None:
    agent = await in_database(make_agent, ("search", True), ("read", True), "write")
    calls = asks_for("search", ("look", {"where": "north"}), "write", ("look", {"where": "south"}), "read")
    scripted = ScriptedClient(calls, says("Done."))
    toolbox = FakeToolbox()
    async with working(scripted, toolbox):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        assert toolbox.ran == []
        waiting = [call.pk for call in await in_database(pending_calls, first)]
        items = [returned(waiting[1], "sun"), returned(waiting[0], "rain")]
        second = await ended((await begun(agent, messages=[{"type": "tool_return", "tool_returns": items}])).pk)
    assert toolbox.most_together(["search", "read"]) == 2
    row = await in_database(Message.objects.get, run=second, role="tool")
    assert [(item["name"], item["text"]) for item in row.returns] == [
        ("search", "done"),
        ("look", "rain"),
        ("write", "done"),
        ("look", "sun"),
        ("read", "done"),
    ]
    verdict = await verdict_of(first, second)
    assert verdict.is_ok, verdict.findings


async def test_returns_and_approvals_of_one_batch_come_together() -> None:
    agent = await in_database(make_agent, "write", "erase")
    rules = [{"type": "requires_approval", "tool_name": name} for name in ("write", "erase")]
    await in_database(lambda: Agent.objects.update(tool_rules=rules))
    scripted = ScriptedClient(asks_for("write", ("look", {"where": "north"}), "erase"), says("Done."))
    toolbox = FakeToolbox()
    async with working(scripted, toolbox):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        waiting = await held(first)
        answers = [
            {"type": "approval", "tool_call_id": waiting["erase"], "approve": False, "reason": "too early"},
            returned(waiting["look"]),
            {"type": "approval", "tool_call_id": waiting["write"], "approve": True},
        ]
        second = await ended((await begun(agent, messages=[{"type": "approval", "approvals": answers}])).pk)
    row = await in_database(Message.objects.get, run=second, role="tool")
    assert [item["outcome"] for item in row.returns] == ["success", "success", "denied"]
    assert toolbox.ran == [waiting["write"]]
    verdict = await verdict_of(first, second)
    assert verdict.is_ok, verdict.findings
    response = await in_database(Message.objects.get, run=second, role="approval")
    from api.schemas.messages import wire_messages

    (told,) = wire_messages(response)
    assert [item["type"] for item in told["approvals"]] == ["approval", "tool", "approval"]


async def test_the_stub_of_a_tool_that_needs_approval_may_be_run_by_the_client_too() -> None:
    agent = await in_database(make_agent, "look")
    rules = [{"type": "requires_approval", "tool_name": "look"}]
    await in_database(lambda: Agent.objects.update(tool_rules=rules))
    toolbox = FakeToolbox()
    async with working(ScriptedClient(asks_for("look"), says("Done.")), toolbox):
        first = await ended((await begun(agent, input="a")).pk)
        items = [returned((await held(first))["look"])]
        second = await ended((await begun(agent, messages=[{"type": "approval", "approvals": items}])).pk)
    assert (second.stop_reason, toolbox.ran) == ("end_turn", [])
    verdict = await verdict_of(first, second)
    assert verdict.is_ok, verdict.findings


async def test_arguments_that_fail_the_schema_never_reach_the_client() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(asks_for(("look", {})), says("I see."))
    async with working(scripted):
        run = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
    assert run.stop_reason == "end_turn"
    assert "where" in scripted.requests[1].messages[-1].text
    verdict = await verdict_of(run)
    assert verdict.is_ok, verdict.findings


async def test_a_client_tool_cannot_be_approved_only_returned_or_denied() -> None:
    agent = await in_database(make_agent)
    async with working(ScriptedClient(asks_for(("look", {"where": "north"})), says("Then not."))):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        call_id = (await held(first))["look"]
        for answers in (
            [{"type": "approval", "tool_call_id": call_id, "approve": True}],
            [],
            [returned("call_unknown")],
            [returned(call_id), returned("call_unknown")],
        ):
            with pytest.raises(ApiProblem) as refused:
                await begun(agent, messages=[{"type": "approval", "approvals": answers}])
            assert refused.value.status in {400, 422}
        denial = [{"type": "approval", "tool_call_id": call_id, "approve": False}]
        second = await ended((await begun(agent, messages=[{"type": "approval", "approvals": denial}])).pk)
    assert second.stop_reason == "end_turn"
    assert (await in_database(ToolCall.objects.get)).state == "denied"


async def test_a_repeated_return_attaches_and_a_different_one_is_refused() -> None:
    agent = await in_database(make_agent)
    async with working(ScriptedClient(asks_for(("look", {"where": "north"})), says("Done."))):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        call_id = (await held(first))["look"]
        body = {"messages": [{"type": "tool_return", "tool_returns": [returned(call_id)]}]}
        second = await ended((await begun(agent, **body)).pk)
        assert (await begun(agent, **body)).pk == second.pk
        with pytest.raises(ApiProblem) as refused:
            await begun(agent, messages=[{"type": "tool_return", "tool_returns": [returned(call_id, "snow")]}])
    assert refused.value.status == 409


async def test_a_message_meanwhile_is_refused_and_a_cancel_denies_the_calls() -> None:
    agent = await in_database(make_agent)
    scripted = ScriptedClient(asks_for(("look", {"where": "north"})), says("Hello."))
    async with working(scripted):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        with pytest.raises(ApiProblem) as refused:
            await begun(agent, input="b")
        assert (refused.value.status, refused.value.body["detail"]["code"]) == (409, "PENDING_APPROVAL")
        await in_database(cancel_runs, agent)
        await ended((await in_database(lambda: Run.objects.get(resumes_run=first))).pk)
        third = await ended((await begun(agent, input="b")).pk)
    assert third.stop_reason == "end_turn"
    roles = [message.role for message in scripted.requests[1].messages]
    assert roles == [Role.USER, Role.ASSISTANT, Role.TOOL, Role.USER]


async def test_a_stream_of_tokens_tells_such_a_call_as_a_request_only() -> None:
    agent = await in_database(make_agent)
    sent = Sent.model_validate({"input": "a", "client_tools": [LOOK]})
    async with working(ScriptedClient(asks_for(("look", {"where": "north"})))):
        envelope = Envelope("test", b"", 0, rejects_when_busy=False)
        run = await in_database(begin, agent.pk, sent, envelope, is_background=True, is_token_streamed=True)
        await ended(run.pk)
    kinds = [line async for line in message_types(stream(run.pk, Listening(is_token_mode=True, has_pings=False)))]
    assert kinds == ["approval_request_message", "stop_reason", "usage_statistics"]


async def message_types(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    import json

    async for line in lines:
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))["message_type"]


async def test_another_worker_can_carry_the_returns_out() -> None:
    agent = await in_database(make_agent, "write")
    scripted = ScriptedClient(asks_for("write", ("look", {"where": "north"})), says("Done."))
    ran: list[str] = []

    async def call(planned: PlannedCall, on_output: OnOutput) -> ToolResult:
        ran.append(planned.call.name)
        return ToolResult(planned.call.id, Outcome.SUCCESS, "done")

    async with working(scripted, ToolboxDouble(call)):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        items = [returned((await held(first))["look"])]
    second = await begun(agent, messages=[{"type": "tool_return", "tool_returns": items}])
    async with working(scripted, ToolboxDouble(call)):
        run = await ended(second.pk)
    assert (run.stop_reason, ran) == ("end_turn", ["write"])


async def test_the_checker_blames_a_worker_that_runs_what_the_client_had_run() -> None:
    agent = await in_database(make_agent)
    async with working(ScriptedClient(asks_for(("look", {"where": "north"})), says("Done."))):
        first = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
        call_id = (await held(first))["look"]
        body = {"messages": [{"type": "tool_return", "tool_returns": [returned(call_id)]}]}
        second = await ended((await begun(agent, **body)).pk)
    rows = [
        LogRow(run.pk, row.seq, row.type, row.at, row.data)
        for run in (first, second)
        for row in await in_database(read_log, run.pk)
    ]
    queued = next(row for row in rows if row.type == "call.queued")
    data = {"step_id": queued.data["step_id"], "call_id": call_id, "attempt": 1}
    started = LogRow(queued.run_id, queued.seq + 1, "call.started", queued.at, data)
    place = rows.index(queued) + 1
    moved = [LogRow(row.run_id, row.seq + 1, row.type, row.at, row.data) for row in rows[place:]]
    findings = check([*rows[:place], started, *moved]).findings
    assert [(finding.rule, finding.call_id) for finding in findings] == [("3.5", call_id)]
    assert "its client had run it" in findings[0].text


async def test_a_person_can_only_deny_what_the_client_runs() -> None:
    agent = await in_database(make_agent, "write")
    await in_database(lambda: Agent.objects.update(tool_rules=[{"type": "requires_approval", "tool_name": "write"}]))
    async with working(ScriptedClient(asks_for("write", ("look", {"where": "north"})))):
        run = await ended((await begun(agent, input="a", client_tools=[LOOK])).pk)
    waiting = await held(run)
    browser = Client()
    await in_database(lambda: browser.force_login(first_person()))
    page = (await in_database(browser.get, f"/runs/{run.pk}/")).content.decode()
    assert f'id="approve-{waiting["write"]}"' in page
    assert f'id="approve-{waiting["look"]}"' not in page
    assert f'id="deny-{waiting["look"]}"' in page
