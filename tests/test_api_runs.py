"""/v1/runs and /v1/steps: what happened, what it took, what was exchanged with the model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import Agent
from engine.specs import Outcome, RunStatus, StopReason
from llms.errors import ModelError
from llms.testing import ScriptedClient, asks_for, fails, says
from runs import exchanges
from runs.database import in_database
from runs.models import Conversation, Message, ProviderTrace, Run, Step, ToolCall
from tests.api_client import Api
from tests.run_logs import three_call_log
from tests.stored_runs import store
from tests.workers import ended, make_agent, send, working

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def api(db: None) -> Api:
    return Api()


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent(model="demo/planner")


def make_run(agent: Agent, number: int = 0, **fields: Any) -> Run:
    fields = {"status": RunStatus.COMPLETED, "stop_reason": StopReason.END_TURN, **fields}
    run = Run.objects.create(agent=agent, **fields)
    Run.objects.filter(pk=run.pk).update(created_at=NOON + timedelta(minutes=number))
    run.refresh_from_db()
    return run


def make_step(run: Run, index: int = 0, **fields: Any) -> Step:
    fields = {"model": "openai/gpt-4.1", "created_at": NOON + timedelta(minutes=index), "status": "success", **fields}
    return Step.objects.create(run=run, index=index, **fields)


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in found]


def test_runs_are_chosen_by_every_filter(api: Api, agent: Agent) -> None:
    other, third = make_agent(), make_agent()
    talk = Conversation.objects.create(agent=agent)
    plain = make_run(agent, 1)
    there = make_run(agent, 2, conversation=talk)
    waiting = make_run(other, 3, status=RunStatus.CREATED, stop_reason="")
    behind = make_run(third, 4, is_background=True, status=RunStatus.FAILED, stop_reason=StopReason.ERROR)
    every = [behind, waiting, there, plain]
    chosen = {
        "": every,
        "order=asc": every[::-1],
        "ascending=true": every[::-1],
        f"agent_id={agent.pk}": [there, plain],
        f"agent_ids={other.pk}&agent_ids={third.pk}": [behind, waiting],
        "statuses=failed&statuses=created": [behind, waiting],
        "active=true": [waiting],
        "background=true": [behind],
        "background=false": [waiting, there, plain],
        "stop_reason=error": [behind],
        f"conversation_id={talk.pk}": [there],
        f"conversation_id=default&agent_id={agent.pk}": [plain],
        f"limit=2&after={waiting.pk}": [there, plain],
        f"limit=1&before={there.pk}": [waiting],
    }
    for query, wanted in chosen.items():
        assert ids(api.get(f"/runs/?{query}")) == [run.pk for run in wanted], query
    assert ids(api.get("/runs/active")) == [waiting.pk]
    assert api.get(f"/runs/{there.pk}")["conversation_id"] == talk.pk


def test_only_what_is_over_can_be_deleted(api: Api, agent: Agent) -> None:
    run = make_run(agent)
    message = Message.objects.create(agent=agent, run=run, position=1, role="user", content="kept", created_at=NOON)
    waiting = make_run(agent, status=RunStatus.CREATED, stop_reason="")
    held = make_run(agent, stop_reason=StopReason.REQUIRES_APPROVAL)
    assert api.delete(f"/runs/{run.pk}") is None
    api.get(f"/runs/{run.pk}", status=404)
    assert ids(api.get(f"/agents/{agent.pk}/messages")) == [message.pk]
    assert "Cancel it" in api.delete(f"/runs/{waiting.pk}", status=409)["detail"]
    assert "approval" in api.delete(f"/runs/{held.pk}", status=409)["detail"]


def test_a_runs_steps_and_messages_have_pages(api: Api, agent: Agent) -> None:
    run = make_run(agent)
    steps = [make_step(run, index).pk for index in range(3)]
    for number in range(1, 4):
        Message.objects.create(agent=agent, run=run, position=number, role="user", content=f"{number}", created_at=NOON)
    assert ids(api.get(f"/runs/{run.pk}/steps?order=asc&limit=2")) == steps[:2]
    assert ids(api.get(f"/runs/{run.pk}/steps?order=asc&limit=2&after={steps[1]}")) == steps[2:]
    assert ids(api.get(f"/runs/{run.pk}/steps")) == steps[::-1]
    seen, after = "", ""
    while page := api.get(f"/runs/{run.pk}/messages?limit=1{after}"):
        seen += page[0]["content"]
        after = f"&after={page[0]['id']}"
    assert seen == "123"
    assert [one["content"] for one in api.get(f"/runs/{run.pk}/messages?order=desc")] == ["3", "2", "1"]


def test_a_trace_is_the_runs_spans(api: Api, agent: Agent) -> None:
    log = three_call_log()
    store(log, agent)
    spans = api.get(f"/runs/{log.run_id}/trace")
    by_id = {span["span_id"]: span for span in spans}
    assert [span["span_name"] for span in spans[:3]] == [spans[0]["span_name"], "step 0", "chat demo/planner"]
    assert spans[0]["parent_span_id"] is None
    assert by_id["call-a"]["parent_span_id"] == "step-1"
    assert by_id["step-1"]["parent_span_id"] == log.run_id
    assert (by_id["call-a"]["status_code"], by_id["call-b"]["status_code"]) == ("ERROR", "OK")
    for span in spans:
        assert span["end_time_unix_nano"] - span["start_time_unix_nano"] == span["duration_ns"]
    overlap = by_id["call-b"]["start_time_unix_nano"] < by_id["call-a"]["end_time_unix_nano"]
    assert overlap
    assert api.get(f"/runs/{log.run_id}/trace?limit=2") == spans[:2]
    assert api.get(f"/runs/{make_run(agent).pk}/trace") == []


def test_steps_are_chosen_by_every_filter(api: Api, agent: Agent) -> None:
    mine, others = make_run(agent), make_run(make_agent())
    good = make_step(mine, 1, feedback="positive", tags=["a", "bé"])
    bad = make_step(mine, 2, feedback="negative", tags=["ab"], model="anthropic/claude-sonnet-4")
    plain = make_step(others, 3)
    chosen = {
        "": [plain, bad, good],
        "order=asc": [good, bad, plain],
        f"agent_id={agent.pk}": [bad, good],
        "model=gpt-4.1": [plain, good],
        "model=anthropic/claude-sonnet-4": [bad],
        "feedback=positive": [good],
        "has_feedback=true": [bad, good],
        "has_feedback=false": [plain],
        "tags=a": [good],
        "tags=bé&tags=ab": [bad, good],
        "trace_ids=t": [],
        "project_id=p": [],
        "start_date=2026-05-01T12:01:30Z": [plain, bad],
        "end_date=2026-05-01T12:01:30Z": [good],
        f"limit=1&after={plain.pk}": [bad],
    }
    for query, wanted in chosen.items():
        assert ids(api.get(f"/steps/?{query}")) == [step.pk for step in wanted], query


def test_feedback_is_given_and_taken_back(api: Api, agent: Agent) -> None:
    step = make_step(make_run(agent))
    path = f"/steps/{step.pk}/feedback"
    given = api.patch(path, {"feedback": "positive", "tags": ["good"]})
    assert (given["feedback"], given["tags"]) == ("positive", ["good"])
    more = api.patch(path, {"tags": ["short", "good"]})
    assert (more["feedback"], more["tags"]) == ("positive", ["good", "short"])
    assert api.patch(path, {"feedback": None})["feedback"] is None
    api.patch(path, {"feedback": "so-so"}, status=422)
    assert api.get(f"/steps/{step.pk}")["tags"] == ["good", "short"]


def test_metrics_count_what_ran_together_once(api: Api, agent: Agent) -> None:
    run = make_run(agent, step_count=1)
    step = make_step(run, created_at=NOON, responded_at=NOON + timedelta(seconds=2))
    for index, (begin, end) in enumerate([(3, 5), (3, 6)]):
        ToolCall.objects.create(
            pk=f"call-{index}",
            step=step,
            run=run,
            index=index,
            name="look",
            state=Outcome.SUCCESS,
            queued_at=NOON + timedelta(seconds=3),
            started_at=NOON + timedelta(seconds=begin),
            ended_at=NOON + timedelta(seconds=end),
        )
    metrics = api.get(f"/steps/{step.pk}/metrics")
    second = 1_000_000_000
    assert metrics["llm_request_ns"] == 2 * second
    assert metrics["tool_execution_ns"] == 3 * second
    assert metrics["step_ns"] == 6 * second
    assert metrics["step_start_ns"] == metrics["llm_request_start_ns"] == int(NOON.timestamp()) * second
    ToolCall.objects.update(ended_at=None)
    unfinished = api.get(f"/steps/{step.pk}/metrics")
    assert (unfinished["tool_execution_ns"], unfinished["step_ns"]) == (None, None)
    assert api.get(f"/runs/{run.pk}/metrics")["tools_used"] == ["look"]


@pytest.mark.django_db(transaction=True)
async def test_what_was_exchanged_with_the_model_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchanges, "KEPT_PER_AGENT", 2)
    agent = await in_database(make_agent, ("look", True))
    agent.system = "x" * 200_000
    await in_database(agent.save)
    client = ScriptedClient(asks_for("look"), says("Seen."), fails(ModelError("No such model.")))
    async with working(client):
        run = await ended((await send(agent, "Look around")).pk)
        failed = await ended((await send(agent, "Again")).pk)
    api = await in_database(Api)
    steps = await in_database(lambda: list(run.steps.order_by("index")) + list(failed.steps.all()))
    traces = [await in_database(api.get, f"/steps/{step.pk}/trace") for step in steps]
    assert traces[0] is None  # more than are kept
    assert (traces[1]["run_id"], traces[1]["agent_id"], traces[1]["step_id"]) == (run.pk, agent.pk, steps[1].pk)
    sent = traces[1]["request_json"]
    assert (sent["model"], sent["parallel_tool_calls"]) == ("gpt-4.1", True)
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "tool"]
    assert sent["messages"][1]["content"] == "Look around"
    assert "200000 characters, not kept" in sent["messages"][0]["content"]
    assert traces[1]["response_json"]["content"] == "Seen."
    assert traces[2]["response_json"] == {"error": "No such model."}
    assert await in_database(ProviderTrace.objects.count) == 2


@pytest.mark.parametrize(
    "path", ["/runs?limit=100", "/steps?limit=100", "/runs/{run}/steps", "/runs/{run}/messages", "/messages?limit=100"]
)
def test_a_long_list_takes_as_many_queries_as_a_short_one(api: Api, agent: Agent, path: str) -> None:
    run = make_run(agent)
    path = path.format(run=run.pk)

    def fill(start: int, stop: int) -> None:
        for number in range(start, stop):
            step = make_step(run, number)
            Message.objects.create(
                agent=agent, run=run, step=step, position=number, role="user", content="x", created_at=NOON
            )

    fill(1, 2)
    with CaptureQueriesContext(connection) as short:
        assert len(api.get(path)) == 1
    fill(2, 51)
    for _ in range(49):
        make_run(make_agent())
    with CaptureQueriesContext(connection) as long:
        assert len(api.get(path)) == 50
    assert len(long) == len(short)


def test_messages_of_all_agents(api: Api, agent: Agent) -> None:
    other = make_agent()
    talk = Conversation.objects.create(agent=agent)
    rows = [
        Message.objects.create(
            agent=who,
            conversation=where,
            position=1,
            role="user",
            content=text,
            created_at=NOON + timedelta(minutes=at),
        )
        for at, (who, where, text) in enumerate([(agent, None, "own"), (agent, talk, "aside"), (other, None, "theirs")])
    ]
    contents = [message["content"] for message in api.get("/messages/")]
    assert contents == ["theirs", "aside", "own"]
    assert [one["content"] for one in api.get(f"/messages?conversation_id={talk.pk}")] == ["aside"]
    assert [one["content"] for one in api.get(f"/messages?agent_id={agent.pk}&order=asc")] == ["own", "aside"]
    assert [one["content"] for one in api.get(f"/messages?limit=1&after={rows[2].pk}")] == ["aside"]
    (one,) = api.get(f"/messages/{rows[1].pk}")
    assert (one["message_type"], one["content"]) == ("user_message", "aside")
    api.get("/messages/message-00000000-0000-4000-8000-000000000000", status=404)


def test_one_message_is_all_that_its_row_is_on_the_wire(api: Api, agent: Agent) -> None:
    call = {"id": "c1", "name": "look", "arguments": "{}", "needs_approval": False}
    row = Message.objects.create(
        agent=agent,
        position=1,
        role="assistant",
        content="Looking.",
        reasoning="They want to know.",
        calls=[call],
        created_at=NOON,
    )
    kinds = [part["message_type"] for part in api.get(f"/messages/{row.pk}")]
    assert kinds == ["reasoning_message", "assistant_message", "tool_call_message"]


def test_search_finds_what_was_said_and_thought(api: Api, agent: Agent) -> None:
    Message.objects.create(agent=agent, position=1, role="user", content="Where is the harbour?", created_at=NOON)
    answer = Message.objects.create(
        agent=agent,
        position=2,
        role="assistant",
        content="In the north.",
        reasoning="The harbour of the town",
        created_at=NOON + timedelta(minutes=1),
    )
    found = api.post("/messages/search", {"query": "Harbour town", "agent_id": agent.pk, "search_mode": "vector"})
    assert (found[0]["message_type"], found[0]["message_id"]) == ("reasoning_message", answer.pk)
    assert [item["message_type"] for item in found] == ["reasoning_message", "user_message"]
    assert found[0]["agent_id"] == agent.pk
    assert api.post("/messages/search", {"query": "harbour", "end_date": "2026-05-01T12:00:30Z"}) == found[1:]
    assert api.post("/messages/search", {"query": "harbour", "roles": ["user"]}) == found[1:]
    assert len(api.post("/messages/search", {"query": "harbour", "limit": 1})) == 1
    assert api.post("/messages/search", {"query": "boats"}) == []
    api.post("/messages/search", {"query": "x", "search_mode": "magic"}, status=422)
