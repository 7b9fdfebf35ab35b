"""The context window: what is counted, when room is made and how, and that nothing of the history is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access.keys import first_person, make_api_key
from agents.models import Agent
from api.dispatching import Envelope, begin
from api.schemas.inputs import Sent
from api.schemas.runs import letta_response
from api.sse import Listening, stream
from engine.checker import LogRow, check
from engine.compaction import summary_message, transcript
from engine.specs import CompactionMode, CompactionSettings
from engine.tokens import calibrate, tokens_of_message, tokens_of_text
from engine.window import Trigger, cut_history
from llms.errors import BadRequest, ContextTooLong
from llms.testing import AskedCall, ScriptedClient, asks_for, fails, says
from llms.types import ImagePart, ModelMessage, RequestedCall, Role
from runs.compacting import NothingToCompact, start_compaction
from runs.context_views import meter_of
from runs.context_window import context_window
from runs.database import in_database
from runs.follow import read_log
from runs.history import model_history
from runs.models import Message, Run
from runs.requests import read_settings
from tests.pages import forbidden_in
from tests.workers import ended, make_agent, send, working

pytestmark = pytest.mark.django_db(transaction=True)

LONG = "word " * 1_000  # 1,250 tokens


def user(number: int, text: str = "Question") -> ModelMessage:
    return ModelMessage(Role.USER, f"{text} {number}", message_id=f"user-{number}")


def said(number: int, *calls: str) -> ModelMessage:
    asked = tuple(RequestedCall(f"{name}-{number}", name, "{}") for name in calls)
    return ModelMessage(Role.ASSISTANT, f"Answer {number}", asked, message_id=f"said-{number}")


def batch(number: int, *calls: str) -> list[ModelMessage]:
    returns = [ModelMessage(Role.TOOL, f"return {name}", call_id=f"{name}-{number}") for name in calls]
    return [said(number, *calls), *returns]


SLIDING, ALL = CompactionSettings(), CompactionSettings(mode=CompactionMode.ALL)


def test_four_bytes_are_a_token_in_any_script() -> None:
    assert [tokens_of_text(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
    assert tokens_of_text("東京") == 2
    assert tokens_of_text("half \ud800 pair") > 0


def test_calls_and_pictures_count() -> None:
    plain, with_call = said(1), said(1, "search")
    assert tokens_of_message(with_call) > tokens_of_message(plain)
    seen = ModelMessage(Role.USER, "", parts=(ImagePart("image/png", "x" * 100_000),))
    assert 1_000 < tokens_of_message(seen) < 3_000


@pytest.mark.parametrize(
    ("counted", "estimated", "factor"), [(200, 100, 2.0), (0, 100, 1.0), (100, 0, 1.0), (9_999, 1, 4.0), (1, 999, 0.5)]
)
def test_the_providers_count_corrects_the_estimate(counted: int, estimated: int, factor: float) -> None:
    assert calibrate(counted, estimated) == factor


def test_a_batch_is_never_split() -> None:
    history = [user(1), *batch(1, "a", "b", "c"), said(2), user(3)]
    for keep in range(200):
        cut = cut_history(history, SLIDING, Trigger.CONTEXT_WINDOW, keep)
        if cut is not None:
            assert cut.left_out + cut.kept == tuple(history)
            assert cut.kept[0].role is not Role.TOOL


def test_what_the_model_has_not_answered_stays_however_large_it_is() -> None:
    history = [user(1), said(1), user(2, LONG), user(3, LONG)]
    for settings in (SLIDING, ALL):
        cut = cut_history(history, settings, Trigger.CONTEXT_WINDOW, 10)
        assert cut is not None
        assert [message.message_id for message in cut.kept] == ["user-2", "user-3"]


def test_returns_that_the_model_has_not_seen_stay_with_their_calls() -> None:
    history = [user(1), *batch(1, "a"), *batch(2, "b", "c")]
    for settings in (SLIDING, ALL):
        cut = cut_history(history, settings, Trigger.CONTEXT_WINDOW, 0)
        assert cut is not None
        assert [message.message_id or message.call_id for message in cut.kept] == ["said-2", "b-2", "c-2"]


def test_a_window_that_slides_keeps_what_fits() -> None:
    history = [user(1), said(1), user(2), said(2), user(3)]
    keep = sum(tokens_of_message(message) for message in history[2:])
    cut = cut_history(history, SLIDING, Trigger.CONTEXT_WINDOW, keep)
    assert cut is not None
    assert cut.left_out == tuple(history[:2])


def test_where_everything_fits_only_a_refusal_or_a_wish_takes_something_out() -> None:
    history = [user(1), said(1), user(2), said(2)]
    assert cut_history(history, SLIDING, Trigger.CONTEXT_WINDOW, 10_000) is None
    refused = cut_history(history, SLIDING, Trigger.CONTEXT_WINDOW_EXCEEDED, 10_000)
    assert refused is not None and len(refused.kept) == 2
    wished = cut_history(history, SLIDING, Trigger.REQUESTED, 10_000)
    assert wished is not None and wished.kept == ()


def test_a_summary_alone_is_not_summarised_again() -> None:
    history = [summary_message("Before.", "m"), user(1)]
    assert all(cut_history(history, settings, trigger, 0) is None for settings in (SLIDING, ALL) for trigger in Trigger)


def test_a_transcript_tells_who_said_what_and_keeps_within_its_room() -> None:
    told = transcript([summary_message("Before.", "m"), user(1), *batch(1, "look")], 10_000)
    assert told.splitlines() == [
        "Summary so far: Before.",
        "User: Question 1",
        "Agent: Answer 1",
        "Agent called look({})",
        "Tool returned: return look",
    ]
    assert tokens_of_text(transcript([user(number, LONG) for number in range(200)], 500)) <= 500


@pytest.mark.parametrize(
    ("sent", "mode", "share", "clip"),
    [
        ({}, "sliding_window", 0.3, 50_000),
        ({"mode": "self_compact_all", "clip_chars": None}, "all", 0.3, None),
        ({"mode": "sliding_window", "sliding_window_percentage": 0.5, "clip_chars": 80}, "sliding_window", 0.5, 80),
        ({"mode": "nonsense", "sliding_window_percentage": 7, "clip_chars": -1}, "sliding_window", 0.3, None),
    ],
)
def test_settings_are_read_as_letta_writes_them(sent: Any, mode: str, share: float, clip: int | None) -> None:
    settings = read_settings(sent)
    assert (settings.mode, settings.keep_share, settings.clip_chars) == (mode, share, clip)


def small_agent(*tools: str, window: int = 500, **extras: Any) -> Agent:
    """An agent whose window is soon full."""
    agent = make_agent(*tools)
    agent.context_window, agent.extras = window, extras
    agent.save()
    return agent


async def compactions(*runs: Run) -> list[dict[str, Any]]:
    rows = [row for run in runs for row in await in_database(read_log, run.pk)]
    return [row.data for row in rows if row.type == "context.compacted"]


async def is_green(run: Run) -> bool:
    rows = await in_database(read_log, run.pk)
    return check([LogRow(run.pk, row.seq, row.type, row.at, row.data) for row in rows]).is_ok


def store(agent: Agent, *texts: str) -> None:
    """A history of questions and answers in turn."""
    for place, text in enumerate(texts, start=1):
        role = "user" if place % 2 else "assistant"
        Message.objects.create(agent=agent, position=place, role=role, content=text, created_at=timezone.now())


async def test_a_window_that_fills_is_summarised_before_the_model_is_asked() -> None:
    agent = await in_database(small_agent)
    await in_database(store, agent, "first " + LONG, "Yes.", "second", "No.")
    scripted = ScriptedClient(says("They talked of words."), says("Hello."))
    async with working(scripted):
        run = await ended((await send(agent, "third")).pk)
    assert run.stop_reason == "end_turn"
    (event,) = await compactions(run)
    assert (event["trigger"], event["summary"], event["error"]) == ("context_window", "They talked of words.", "")
    assert event["tokens_after"] < event["tokens_before"]
    assert scripted.requests[0].wants_summary and not scripted.requests[0].tools
    shown = [message.text for message in scripted.requests[1].messages]
    assert "They talked of words." in shown[0]
    assert shown[1:] == ["Yes.", "second", "No.", "third"]
    assert await is_green(run)
    assert await in_database(Message.objects.filter(agent=agent, role="user").count) == 3  # nothing is lost
    assert run.usage["prompt_tokens"] == 20  # the summary's is counted


async def test_the_next_run_and_another_worker_find_the_summary_in_place() -> None:
    agent = await in_database(small_agent)
    await in_database(store, agent, "first " + LONG, "Yes.")
    scripted = ScriptedClient(says("Words."), says("Hello."), says("Again."))
    async with working(scripted):
        await ended((await send(agent, "two")).pk)
    async with working(scripted):
        await ended((await send(agent, "three")).pk)
    texts = [message.text for message in scripted.requests[2].messages]
    assert "Words." in texts[0]
    assert texts[1:] == ["Yes.", "two", "Hello.", "three"]
    assert scripted.requests[2].messages[0].is_summary


async def test_in_the_middle_of_a_run_batches_stay_whole() -> None:
    agent = await in_database(small_agent, "search")
    call: AskedCall = ("search", {"text": LONG})
    scripted = ScriptedClient(
        asks_for(call, "search"), says("Summary."), asks_for("search", "search"), says("Another."), says("Done.")
    )
    async with working(scripted):
        run = await ended((await send(agent, LONG)).pk)
    assert run.stop_reason == "end_turn", run.error
    assert [event["summary"] for event in await compactions(run)] == ["Summary.", "Another."]
    assert await is_green(run)
    last = scripted.requests[-1].messages
    called = {call.id for message in last for call in message.calls}
    assert called == {message.call_id for message in last if message.role is Role.TOOL}


async def test_a_refusal_of_the_provider_is_answered_with_one_summary_and_asked_again() -> None:
    agent = await in_database(make_agent)
    await in_database(store, agent, "one", "Yes.", "two", "No.")
    too_long = fails(ContextTooLong("It does not fit."))
    async with working(ScriptedClient(too_long, says("Short."), says("Hello."))):
        run = await ended((await send(agent, "three")).pk)
    (event,) = await compactions(run)
    assert (event["trigger"], run.stop_reason, run.step_count) == ("context_window_exceeded", "end_turn", 1)
    assert await is_green(run)


async def test_where_a_summary_does_not_help_the_run_says_so() -> None:
    agent = await in_database(make_agent)
    await in_database(store, agent, "one", "Yes.")
    too_long = fails(ContextTooLong("It does not fit."))
    async with working(ScriptedClient(too_long, says("Short."), too_long)):
        run = await ended((await send(agent, "three")).pk)
    assert (run.stop_reason, run.error) == ("llm_api_error", "It does not fit.")


async def test_what_cannot_be_summarised_is_left_out_and_the_log_says_why() -> None:
    agent = await in_database(small_agent)
    await in_database(store, agent, "first " + LONG, "Yes.")
    scripted = ScriptedClient(fails(BadRequest("The key is broken.")), says("Hello."))
    async with working(scripted):
        run = await ended((await send(agent, "two")).pk)
    (event,) = await compactions(run)
    assert event["error"] == "The key is broken."
    assert "1 older messages were left out" in scripted.requests[1].messages[0].text
    assert run.stop_reason == "end_turn"


async def test_the_settings_of_the_agent_choose_model_prompt_and_length() -> None:
    settings = {"mode": "all", "model": "openai/gpt-4o-mini", "prompt": "Be terse.", "clip_chars": 5}
    agent = await in_database(lambda: small_agent(compaction_settings=settings))
    await in_database(store, agent, "first " + LONG, "Yes.")
    scripted = ScriptedClient(says("A long summary."), says("Hello."))
    async with working(scripted):
        run = await ended((await send(agent, "two")).pk)
    assert (scripted.requests[0].model, scripted.requests[0].messages[0].text) == ("gpt-4o-mini", "Be terse.")
    assert (await compactions(run))[0]["summary"] == "A lon"
    assert [message.text for message in scripted.requests[1].messages][1:] == ["two"]


async def test_an_agent_whose_buffer_clears_itself_remembers_no_earlier_run() -> None:
    agent = await in_database(lambda: small_agent(message_buffer_autoclear=True))
    scripted = ScriptedClient(says("One."), says("Two."))
    async with working(scripted):
        await ended((await send(agent, "first")).pk)
        await ended((await send(agent, "second")).pk)
    assert [message.text for message in scripted.requests[1].messages] == ["second"]


async def begun(agent: Agent, **body: Any) -> Run:
    envelope = Envelope("test", b"", 0, rejects_when_busy=False)
    sent = Sent(**body)
    return await in_database(begin, agent.pk, sent, envelope, is_background=True, is_token_streamed=False)


@pytest.mark.parametrize("is_asked_for", [True, False])
async def test_only_those_who_ask_are_told_of_a_compaction(is_asked_for: bool) -> None:
    agent = await in_database(small_agent)
    await in_database(store, agent, "first " + LONG, "Yes.")
    async with working(ScriptedClient(says("Words."), says("Hello."))):
        run = await ended((await begun(agent, input="two", include_compaction_messages=is_asked_for)).pk)
    response = await in_database(letta_response, run, None)
    lines = [line async for line in stream(run.pk, Listening(has_pings=False)) if line.startswith("data: {")]
    streamed = [json.loads(line.removeprefix("data: ")) for line in lines]
    for messages in (response["messages"], streamed):
        kinds = [message["message_type"] for message in messages]
        assert ("event_message" in kinds, "summary_message" in kinds) == (is_asked_for, is_asked_for)
    if is_asked_for:
        summary = next(message for message in streamed if message["message_type"] == "summary_message")
        assert (summary["summary"], summary["compaction_stats"]["trigger"]) == ("Words.", "context_window")


async def test_a_summary_on_request_is_a_run_of_its_own_and_leaves_nothing_but_the_summary() -> None:
    agent = await in_database(make_agent)
    await in_database(store, agent, "one", "Yes.", "two", "No.")
    async with working(ScriptedClient(says("They agreed and did not."))):
        run = await ended((await in_database(start_compaction, agent, None, {}, started_by="test")).pk)
    (event,) = await compactions(run)
    assert (event["trigger"], event["messages_before"], event["messages_after"]) == ("requested", 4, 1)
    assert (run.stop_reason, run.step_count) == ("end_turn", 0)
    (message,) = await in_database(model_history, agent)
    assert message.is_summary
    with pytest.raises(NothingToCompact):
        await in_database(start_compaction, agent, None, {}, started_by="test")


async def test_a_summary_on_request_that_fails_takes_nothing_out() -> None:
    agent = await in_database(make_agent)
    await in_database(store, agent, "one", "Yes.")
    async with working(ScriptedClient(fails(BadRequest("No.")))):
        run = await ended((await in_database(start_compaction, agent, None, {}, started_by="test")).pk)
    assert (run.status, run.error) == ("failed", "No.")
    assert len(await in_database(model_history, agent)) == 2


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def test_the_overview_adds_up(client: Client) -> None:
    agent = make_agent("search")
    agent.system = "Be kind."
    agent.save()
    block = agent.blocks.create(label="human", value="Ann")
    store(agent, "one", "Yes.")
    window = client.get(f"/v1/agents/{agent.pk}/context").json()
    assert (window["system_prompt"], window["num_messages"], window["num_recall_memory"]) == ("Be kind.", 2, 2)
    assert block.value in window["core_memory"] and "Be kind." not in window["core_memory"]
    parts = [value for key, value in window.items() if key.startswith("num_tokens_")]
    assert sum(parts) == window["context_window_size_current"] < window["context_window_size_max"]
    assert window["functions_definitions"][0]["function"]["name"] == "search"
    assert [message["content"] for message in window["messages"]] == ["one", "Yes."]
    assert window["summary_memory"] is None


def test_the_overview_takes_the_same_number_of_queries_however_long_the_history_is(client: Client) -> None:
    counts = []
    for length in (2, 60):
        agent = make_agent("search")
        store(agent, *["text"] * length)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(f"/v1/agents/{agent.pk}/context").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_a_summary_in_the_history_is_listed_where_it_was_made(client: Client) -> None:
    agent = make_agent()
    store(agent, "one", "Yes.", "two")
    Message.objects.create(
        agent=agent, position=4, role="summary", content="They agreed.", covers_until=2, created_at=timezone.now()
    )
    kinds = [message["message_type"] for message in client.get(f"/v1/agents/{agent.pk}/messages").json()]
    assert kinds == ["user_message", "assistant_message", "user_message", "summary_message"]
    window = client.get(f"/v1/agents/{agent.pk}/context").json()
    assert (window["summary_memory"], [message["content"] for message in window["messages"]]) == (
        "They agreed.",
        ["two"],
    )


@pytest.mark.parametrize("path", ["agents/{id}/summarize", "conversations/{id}/compact"])
def test_without_messages_there_is_nothing_to_summarise(client: Client, path: str) -> None:
    answered = client.post(f"/v1/{path.format(id=make_agent().pk)}", "{}", "application/json")
    assert (answered.status_code, answered.json()["detail"]) == (400, "There are no messages to summarise.")


@pytest.mark.parametrize(
    ("sent", "status"),
    [({"mode": "guess"}, 422), ({"sliding_window_percentage": 3}, 422), ({"model": "nobody/x"}, 404)],
)
def test_settings_that_mean_nothing_are_refused(client: Client, sent: dict[str, Any], status: int) -> None:
    agent = make_agent()
    store(agent, "one")
    body = json.dumps({"compaction_settings": sent})
    assert client.post(f"/v1/agents/{agent.pk}/summarize", body, "application/json").status_code == status
    assert not Run.objects.exists()


def test_reset_forgets_the_agents_own_history_and_nothing_else(client: Client) -> None:
    agent, other = make_agent(), make_agent()
    talk = agent.conversations.create()
    store(agent, "one", "Yes.")
    store(other, "one")
    Message.objects.create(
        agent=agent, conversation=talk, position=1, role="user", content="kept", created_at=timezone.now()
    )
    body = json.dumps({"add_default_initial_messages": True})
    answered = client.patch(f"/v1/agents/{agent.pk}/reset-messages", body, "application/json")
    assert (answered.status_code, answered.json()) == (200, None)
    assert client.get(f"/v1/agents/{agent.pk}/messages").json() == []
    assert Message.objects.count() == 2


def test_reset_is_refused_while_a_run_needs_the_history(client: Client) -> None:
    agent = make_agent()
    store(agent, "one")
    run = Run.objects.create(agent=agent)
    assert client.patch(f"/v1/agents/{agent.pk}/reset-messages").status_code == 409
    Run.objects.filter(pk=run.pk).update(status="completed", stop_reason="requires_approval")
    answered = client.patch(f"/v1/agents/{agent.pk}/reset-messages")
    assert (answered.status_code, answered.json()["detail"]["code"]) == (409, "PENDING_APPROVAL")
    assert Message.objects.count() == 1


def test_the_agent_page_shows_the_window_with_its_parts(client: Client) -> None:
    agent = make_agent("search")
    store(agent, "one", "Yes.")
    browser = Client()
    browser.force_login(first_person())
    assert f"/runs/agent/{agent.pk}/context/" in browser.get(f"/agents/{agent.pk}/").content.decode()
    page = browser.get(f"/runs/agent/{agent.pk}/context/").content.decode()
    assert forbidden_in(page) == []
    for key in ("tools", "messages"):
        assert f'<rect data-part="{key}"' in page
    assert '<rect data-part="summary"' not in page
    answered = browser.post(f"/runs/agent/{agent.pk}/summarise/", {"conversation": ""}).content.decode()
    assert "being summarised" in answered
    assert Run.objects.get().request == {"compacts": {}}


def test_the_parts_never_leave_the_bar() -> None:
    agent = small_agent("search", window=10)
    store(agent, LONG, LONG)
    meter = meter_of(context_window(agent))
    assert meter.is_full and meter.percent > 100
    assert all(stretch.x >= 0 and stretch.x + stretch.width <= meter.width + 0.2 for stretch in meter.stretches)
