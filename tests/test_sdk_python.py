"""The unmodified Python SDK against the shipped server."""

from __future__ import annotations

import itertools
import time
from typing import Any

import letta_client
import pytest
from letta_client import Letta

from tests.sdk_support import (
    connect,
    events_of,
    http,
    make_agent,
    make_tool,
    read_events,
    returns_of,
    source,
    story,
)
from tests.server_fixtures import TandemServer

pytestmark = pytest.mark.sdk

# Of the SDK, whose unions of messages say less than these tests know.
Client = Any

PROVIDERS = ("openai/gpt-4.1", "anthropic/claude-sonnet-4-5")


@pytest.fixture
def client(server: TandemServer) -> Client:
    return connect(server)


def say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def kinds(messages: Any) -> list[str]:
    return [message.message_type for message in messages]


def refused(caught: pytest.ExceptionInfo[letta_client.ConflictError]) -> Any:
    """The detail of a refusal."""
    body: Any = caught.value.body
    return body["detail"]


def wait_for(client: Client, run_id: str) -> Any:
    for _ in range(300):
        run = client.runs.retrieve(run_id)
        if run.status in ("completed", "failed", "cancelled"):
            return run
        time.sleep(0.1)
    raise AssertionError(f"{run_id} did not end")


def test_the_references_snippets_work_word_for_word(client: Client) -> None:
    tool_id = make_tool(client, "search_web").id
    # From the reference page, verbatim.
    agent = client.agents.create(
        llm_config={
            "model": "anthropic/claude-sonnet-4-20250514",
            "parallel_tool_calls": True
        }
    )  # fmt: skip
    client.tools.update(
        tool_id=tool_id,
        enable_parallel_execution=True
    )  # fmt: skip
    # Until here.
    agent = client.agents.retrieve(agent.id)
    assert agent.model == "anthropic/claude-sonnet-4-20250514"
    assert agent.llm_config.parallel_tool_calls is True
    assert agent.model_settings["parallel_tool_calls"] is True
    assert client.tools.retrieve(tool_id).enable_parallel_execution is True


def test_a_tool_update_of_another_field_leaves_the_toggle(client: Client) -> None:
    tool = make_tool(client, "kept", parallel=True)
    changed = client.tools.update(tool.id, description="Other", return_char_limit=100, metadata={"a": 1})
    assert (changed.description, changed.return_char_limit, changed.metadata_) == ("Other", 100, {"a": 1})
    assert client.tools.retrieve(tool.id).enable_parallel_execution is True
    client.tools.upsert(source_code=source("kept"))
    assert client.tools.retrieve(tool.id).enable_parallel_execution is True
    assert client.tools.update(tool.id, enable_parallel_execution=False).enable_parallel_execution is False


def test_the_flag_is_off_until_it_is_sent(client: Client) -> None:
    agent = client.agents.create(model="openai/gpt-4.1", model_settings={"provider_type": "openai"})
    assert agent.llm_config.parallel_tool_calls is False
    agent = client.agents.update(agent.id, model_settings={"provider_type": "openai", "parallel_tool_calls": True})
    assert agent.llm_config.parallel_tool_calls is True
    agent = client.agents.update(agent.id, name="renamed", model_settings={"provider_type": "openai"})
    assert (agent.name, agent.llm_config.parallel_tool_calls) == ("renamed", True)
    assert client.agents.update(agent.id, parallel_tool_calls=False).llm_config.parallel_tool_calls is False


def test_answers_pass_the_sdks_strict_reading(server: TandemServer) -> None:
    client: Client = connect(server, _strict_response_validation=True)
    tool = make_tool(client, "strict_tool", parallel=True)
    agent = client.agents.create(model="demo/planner", tool_ids=[tool.id], memory_blocks=[{"label": "a", "value": "b"}])
    client.agents.update(agent.id, model="openai/gpt-4.1", parallel_tool_calls=True)
    answer = client.agents.messages.create(agent.id, messages=say("REASON hm\nTHINK so\nCALL strict_tool*2\nFINAL ok"))
    assert kinds(answer.messages)[-1] == "assistant_message"
    run_id = answer.usage.run_ids[0]
    assert client.runs.retrieve(run_id).status == "completed"
    assert [step.status for step in client.runs.steps.list(run_id)] == ["success", "success"]
    assert client.runs.usage.retrieve(run_id).prompt_tokens == answer.usage.prompt_tokens
    assert len(list(client.agents.messages.list(agent.id, order="asc"))) == len(answer.messages) + 1
    assert client.models.list()
    assert [block.label for block in client.agents.blocks.list(agent.id)] == ["a"]
    assert next(iter(client.agents.list(limit=1))).id == agent.id
    assert next(iter(client.tools.list(name="strict_tool"))).id == tool.id


def test_a_batch_is_one_call_message_and_one_return_message_in_the_models_order(client: Client) -> None:
    tools = [make_tool(client, name, parallel=name != "note") for name in ("web", "books", "note")]
    agent_id = make_agent(client, *tools)
    answer = client.agents.messages.create(
        agent_id, messages=say("THINK Looking\nCALL web,note(n=2),books\nFINAL Done")
    )
    assert kinds(answer.messages) == [
        "assistant_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
    ]
    calls, returned = answer.messages[1], answer.messages[2]
    assert [call.name for call in calls.tool_calls] == ["web", "note", "books"]
    assert [each.tool_return for each in returned.tool_returns] == ["web 1", "note 2", "books 1"]
    assert [each.tool_call_id for each in returned.tool_returns] == [call.tool_call_id for call in calls.tool_calls]
    assert (returned.tool_return, returned.status) == ("web 1", "success")
    assert answer.stop_reason.stop_reason == "end_turn"
    assert answer.usage.step_count == 2
    listed = list(client.agents.messages.list(agent_id, order="asc"))
    assert kinds(listed) == ["user_message", *kinds(answer.messages)]
    assert [message.id for message in listed[1:]] == [message.id for message in answer.messages]


@pytest.mark.parametrize("model", PROVIDERS)
@pytest.mark.parametrize("order", [*itertools.permutations(["seq", "par", "par2"], 3), ("par", "par2", "seq", "seq2")])
def test_sequential_calls_run_first_and_parallel_ones_overlap(
    client: Client, server: TandemServer, model: str, order: tuple[str, ...]
) -> None:
    tools = [make_tool(client, name, parallel=name.startswith("par")) for name in order]
    agent_id = make_agent(client, *tools, model=model)
    answer = client.agents.messages.create(agent_id, messages=say(f"CALL {','.join(order)}"))
    assert [each.tool_return.split()[0] for each in returns_of(answer.messages)] == list(order)
    told = story(server, answer.usage.run_ids[0])
    one_by_one = [name for name in order if name.startswith("seq")]
    expected = [(what, name) for name in one_by_one for what in ("started", "ended")]
    assert told[: len(expected)] == expected
    together = told[len(expected) :]
    assert [what for what, _ in together] == ["started", "started", "ended", "ended"]
    assert {name for _, name in together} == {"par", "par2"}


@pytest.mark.parametrize("model", PROVIDERS)
def test_with_the_flag_off_all_calls_run_one_after_another(client: Client, server: TandemServer, model: str) -> None:
    tools = [make_tool(client, name, parallel=True) for name in ("one", "two", "three")]
    agent_id = make_agent(client, *tools, model=model, parallel=False)
    answer = client.agents.messages.create(agent_id, messages=say("CALL two,one,three"))
    assert [each.tool_return for each in returns_of(answer.messages)] == ["two 1", "one 1", "three 1"]
    told = story(server, answer.usage.run_ids[0])
    assert told == [(what, name) for name in ("two", "one", "three") for what in ("started", "ended")]


@pytest.mark.parametrize("marks", ["SAMEIDS", "NOIDS"])
def test_repeated_and_empty_ids_still_get_a_return_each(client: Client, marks: str) -> None:
    tool = make_tool(client, "web", parallel=True)
    agent_id = make_agent(client, tool)
    answer = client.agents.messages.create(
        agent_id, messages=say(f"{marks}\nCALL web(n=1),web(n=2),web(n=3)\nFINAL all")
    )
    assert [each.tool_return for each in returns_of(answer.messages)] == ["web 1", "web 2", "web 3"]
    assert len({each.tool_call_id for each in returns_of(answer.messages)}) == 3
    assert answer.messages[-1].content == "all"


def test_a_failing_call_tells_its_outcome_and_spares_its_siblings(client: Client) -> None:
    good = make_tool(client, "good", parallel=True)
    slow = make_tool(client, "slow", parallel=True, seconds=60, timeout_seconds=0.5)
    agent_id = make_agent(client, good, slow)
    answer = client.agents.messages.create(agent_id, messages=say("CALL good,slow,nobody,good"))
    assert [(each.status, each.outcome) for each in returns_of(answer.messages)] == [
        ("success", "success"),
        ("error", "timeout"),
        ("error", "error"),
        ("success", "success"),
    ]


def test_streaming_steps_gives_whole_messages(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", parallel=True))
    stream = client.agents.messages.create(agent_id, messages=say("THINK So\nCALL web*2\nFINAL Done"), streaming=True)
    chunks = list(stream)
    assert kinds(chunks) == [
        "ping",
        "assistant_message",
        "tool_call_message",
        "tool_return_message",
        "assistant_message",
        "stop_reason",
        "usage_statistics",
    ]
    assert chunks[0].run_id
    assert [call.name for call in chunks[2].tool_calls] == ["web", "web"]
    assert [each.status for each in chunks[3].tool_returns] == ["success", "success"]


@pytest.mark.parametrize("model", PROVIDERS)
def test_streaming_tokens_gives_pieces_that_make_up_the_stored_messages(client: Client, model: str) -> None:
    agent_id = make_agent(client, make_tool(client, "web", parallel=True), model=model)
    text = (
        "THINK One two three four five\nSTREAMDELAY 30\nCALL web(n=1;s=hello),web(n=2;s=there)\nFINAL All of it is done"
    )
    with pytest.warns(DeprecationWarning):
        chunks = list(client.agents.messages.stream(agent_id, messages=say(text), stream_tokens=True))
    texts: dict[str, str] = {}
    arguments: dict[str, str] = {}
    names: dict[str, str] = {}
    for chunk in chunks:
        if chunk.message_type == "assistant_message":
            texts[chunk.id] = texts.get(chunk.id, "") + chunk.content
        if chunk.message_type == "tool_call_message":
            piece = chunk.tool_calls
            names.setdefault(piece.tool_call_id, piece.name)
            arguments[piece.tool_call_id] = arguments.get(piece.tool_call_id, "") + (piece.arguments or "")
    stored = list(client.agents.messages.list(agent_id, order="asc"))
    calls = next(message for message in stored if message.message_type == "tool_call_message").tool_calls
    assert {call.tool_call_id: call.arguments for call in calls} == arguments
    assert {call.tool_call_id: call.name for call in calls} == names
    said = {message.id: message.content for message in stored if message.message_type == "assistant_message"}
    assert texts == said
    assert kinds(chunks)[-2:] == ["stop_reason", "usage_statistics"]
    assert kinds(chunks).count("assistant_message") > 2


def test_content_in_parts_and_only_some_kinds_of_messages(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", parallel=True))
    parts = [{"type": "text", "text": "CALL web"}, {"type": "text", "text": "FINAL Done"}]
    wanted = ["assistant_message"]
    messages = [{"role": "user", "content": parts, "otid": "mine"}]
    answer = client.agents.messages.create(agent_id, messages=messages, include_return_message_types=wanted)
    assert [message.content for message in answer.messages] == ["Done"]
    listed = client.agents.messages.list(agent_id, include_return_message_types=["user_message"]).items
    assert [(message.otid, [part.text for part in message.content]) for message in listed] == [
        ("mine", ["CALL web", "FINAL Done"])
    ]
    # A page of the wanted kind is found however far back it is.
    found = client.agents.messages.list(agent_id, include_return_message_types=["user_message"], limit=1).items
    assert kinds(found) == ["user_message"]


def test_an_async_run_is_followed_to_its_end(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", parallel=True))
    run = client.agents.messages.create_async(agent_id, messages=say("CALL web*2\nFINAL Done"))
    assert (run.agent_id, run.background) == (agent_id, True)
    run = wait_for(client, run.id)
    assert (run.status, run.stop_reason) == ("completed", "end_turn")
    messages = list(client.runs.messages.list(run.id))
    assert kinds(messages) == ["user_message", "tool_call_message", "tool_return_message", "assistant_message"]
    assert [found.id for found in client.runs.list(agent_id=agent_id)] == [run.id]
    steps = list(client.runs.steps.list(run.id))
    assert len(steps) == 2
    assert client.steps.retrieve(steps[0].id).run_id == run.id
    assert [step.id for step in client.steps.list(agent_id=agent_id)] == [step.id for step in steps]


def test_a_background_stream_is_taken_up_again_behind_any_chunk(client: Client, server: TandemServer) -> None:
    agent_id = make_agent(client, make_tool(client, "web", parallel=True))
    for tokens in (False, True):
        text = "THINK One two\nCALL web(n=1;s=abc)*2\nFINAL Three four"
        stream = client.agents.messages.create(
            agent_id, messages=say(text), streaming=True, background=True, stream_tokens=tokens
        )
        chunks = [chunk for chunk in stream if chunk.message_type != "ping"]
        numbers = [chunk.seq_id for chunk in chunks[:-2]]
        assert numbers == sorted(set(numbers))
        run_id = chunks[0].run_id
        for place, seq_id in enumerate(numbers):
            again = client.runs.messages.stream(run_id, starting_after=seq_id, include_pings=False)
            rest = [chunk for chunk in again if chunk.message_type != "ping"]
            assert [chunk.to_dict() for chunk in rest] == [chunk.to_dict() for chunk in chunks[place + 1 :]]


def test_a_client_that_hangs_up_does_not_stop_the_run(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", seconds=1))
    stream = client.agents.messages.create(agent_id, messages=say("CALL web\nFINAL Done"), streaming=True)
    run_id = next(iter(stream)).run_id
    stream.close()
    assert wait_for(client, run_id).status == "completed"


def risky_batch(client: Client, agent_id: str) -> Any:
    return client.agents.messages.create(agent_id, messages=say("CALL easy,risky(n=1),easy,risky(n=2)\nFINAL Done"))


@pytest.fixture
def careful_agent(client: Client) -> str:
    """An agent with a free tool, and one whose calls need approval."""
    easy = make_tool(client, "easy", parallel=True)
    risky = make_tool(client, "risky", parallel=True, default_requires_approval=True)
    return make_agent(client, easy, risky)


def test_nothing_of_a_batch_runs_before_its_approval(client: Client, server: TandemServer, careful_agent: str) -> None:
    asked = risky_batch(client, careful_agent)
    assert asked.stop_reason.stop_reason == "requires_approval"
    assert kinds(asked.messages) == ["tool_call_message", "approval_request_message"]
    assert [call.name for call in asked.messages[0].tool_calls] == ["easy", "easy"]
    assert [call.name for call in asked.messages[1].tool_calls] == ["risky", "risky"]
    run_id = asked.usage.run_ids[0]
    assert client.runs.retrieve(run_id).status == "completed"
    assert story(server, run_id) == []
    pending = client.agents.retrieve(careful_agent, include=["agent.pending_approval"]).pending_approval
    assert pending is not None and pending.id == asked.messages[1].id

    with pytest.raises(letta_client.ConflictError) as caught:
        client.agents.messages.create(careful_agent, messages=say("hello"))
    detail = refused(caught)
    assert (detail["code"], detail["pending_request_id"]) == ("PENDING_APPROVAL", asked.messages[1].id)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"

    first, second = (call.tool_call_id for call in asked.messages[1].tool_calls)
    with pytest.raises(letta_client.BadRequestError, match=f"Expected {first}, {second}"):
        client.agents.messages.create(careful_agent, messages=[_approval((first, True, None))])

    decisions = _approval((first, True, None), (second, False, "too risky"))
    answer = client.agents.messages.create(careful_agent, messages=[decisions])
    assert kinds(answer.messages) == ["tool_return_message", "assistant_message"]
    returned = returns_of(answer.messages)
    assert [each.outcome for each in returned] == ["success", "success", "success", "denied"]
    assert [each.tool_return for each in returned[:3]] == ["easy 1", "risky 1", "easy 1"]
    assert "too risky" in returned[3].tool_return
    assert answer.stop_reason.stop_reason == "end_turn"

    again = client.agents.messages.create(careful_agent, messages=[decisions])
    assert again.usage.run_ids == answer.usage.run_ids
    assert [message.id for message in again.messages] == [message.id for message in answer.messages]
    with pytest.raises(letta_client.ConflictError):
        client.agents.messages.create(careful_agent, messages=[_approval((first, False, None), (second, False, None))])
    history = kinds(client.agents.messages.list(careful_agent, order="asc"))
    assert history.count("approval_response_message") == 1


def test_the_older_single_form_decides_about_all_calls(client: Client, careful_agent: str) -> None:
    asked = risky_batch(client, careful_agent)
    single = {"type": "approval", "approve": False, "approval_request_id": asked.messages[1].id, "reason": "not now"}
    answer = client.agents.messages.create(careful_agent, messages=[single])
    assert [each.outcome for each in returns_of(answer.messages)] == ["success", "denied", "success", "denied"]
    with pytest.raises(letta_client.BadRequestError, match="waits for approval"):
        client.agents.messages.create(careful_agent, messages=[_approval(("call_0", True, None))])


def test_an_approval_can_be_streamed_in_pieces(client: Client, careful_agent: str) -> None:
    with pytest.warns(DeprecationWarning):
        asked = list(
            client.agents.messages.stream(
                careful_agent, messages=say("CALL easy(n=7;s=abc),risky\nFINAL Done"), stream_tokens=True
            )
        )
    request = next(chunk for chunk in asked if chunk.message_type == "approval_request_message")
    assert [call.name for call in request.tool_calls] == ["risky"]
    streamed = {chunk.tool_call.tool_call_id for chunk in asked if chunk.message_type == "tool_call_message"}
    assert request.tool_calls[0].tool_call_id not in streamed
    decision = _approval((request.tool_calls[0].tool_call_id, True, None))
    chunks = list(client.agents.messages.create(careful_agent, messages=[decision], streaming=True))
    assert kinds(chunks) == ["ping", "tool_return_message", "assistant_message", "stop_reason", "usage_statistics"]


def test_approval_is_switched_per_agent(client: Client, server: TandemServer) -> None:
    agent_id = make_agent(client, make_tool(client, "web"))
    client.agents.tools.update_approval("web", agent_id=agent_id, body_requires_approval=True)
    assert client.agents.messages.create(agent_id, messages=say("CALL web")).stop_reason.stop_reason == (
        "requires_approval"
    )
    cancelled = client.agents.messages.cancel(agent_id)
    assert list(cancelled.values()) == ["cancelled"]
    for _ in range(100):
        if not list(client.runs.list(agent_id=agent_id, active=True)):
            break
        time.sleep(0.1)
    client.agents.tools.update_approval("web", agent_id=agent_id, body_requires_approval=False)
    answer = client.agents.messages.create(agent_id, messages=say("CALL web\nFINAL Fine"))
    assert answer.stop_reason.stop_reason == "end_turn"


def test_cancel_ends_the_calls_and_the_next_message_works(client: Client) -> None:
    slow, web = make_tool(client, "slow", parallel=True, seconds=60), make_tool(client, "web")
    agent_id = make_agent(client, slow, web)
    run = client.agents.messages.create_async(agent_id, messages=say("CALL slow,web,slow"))
    _wait_until_started(client, run.id, calls=4)
    assert client.agents.messages.cancel(agent_id, run_ids=[run.id]) == {run.id: "cancelled"}
    ended = wait_for(client, run.id)
    assert (ended.status, ended.stop_reason) == ("cancelled", "cancelled")
    returned = returns_of(client.runs.messages.list(run.id))
    assert [each.outcome for each in returned] == ["cancelled", "success", "cancelled"]
    with pytest.raises(letta_client.ConflictError) as caught:
        client.agents.messages.cancel(agent_id)
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"
    answer = client.agents.messages.create(agent_id, messages=say("CALL web\nFINAL Fine"))
    assert answer.messages[-1].content == "Fine"


def test_a_second_message_waits_its_turn_or_is_refused_if_it_would_not(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", seconds=2))
    first = client.agents.messages.create_async(agent_id, messages=say("CALL web\nFINAL First"))
    impatient = client.with_options(max_retries=0)
    with pytest.raises(letta_client.ConflictError, match="busy"):
        impatient.agents.messages.create(agent_id, messages=say("now"), extra_headers={"X-On-Busy": "reject"})
    second = client.agents.messages.create(agent_id, messages=say("FINAL Second"))
    assert second.messages[-1].content == "Second"
    assert client.runs.retrieve(first.id).status == "completed"


def test_an_automatic_retry_attaches_to_the_run_of_the_first_try(client: Client) -> None:
    agent_id = make_agent(client, make_tool(client, "web", seconds=3))
    # The first try times out; the SDK sends the same again by itself.
    quick = client.with_options(timeout=2.0, max_retries=3)
    answer = quick.agents.messages.create(agent_id, messages=say("CALL web\nFINAL Once"))
    assert answer.messages[-1].content == "Once"
    assert len(list(client.runs.list(agent_id=agent_id))) == 1
    assert len(returns_of(client.agents.messages.list(agent_id, order="asc"))) == 1


def test_a_message_that_waited_for_a_run_that_wants_approval_is_refused(client: Client) -> None:
    slow = make_tool(client, "web", seconds=2)
    risky = make_tool(client, "risky", default_requires_approval=True)
    agent_id = make_agent(client, slow, risky)
    client.agents.messages.create_async(agent_id, messages=say("CALL web\nFINAL First"))
    client.agents.messages.create_async(agent_id, messages=say("CALL risky\nFINAL Second"))
    waiting = client.agents.messages.create_async(agent_id, messages=say("FINAL Third"))
    with pytest.raises(letta_client.ConflictError) as caught:
        client.agents.messages.create(agent_id, messages=say("FINAL Fourth"))
    assert refused(caught)["code"] == "PENDING_APPROVAL"
    run = wait_for(client, waiting.id)
    assert (run.status, "PENDING_APPROVAL" in run.metadata["error"]) == ("failed", True)


def test_a_failing_model_is_raised_once_with_its_reason(client: Client) -> None:
    agent_id = make_agent(client)
    with pytest.raises(letta_client.InternalServerError, match="API key") as caught:
        client.agents.messages.create(agent_id, messages=say("BADKEY"))
    assert caught.value.request.headers["x-stainless-retry-count"] == "0"
    run = next(iter(client.runs.list(agent_id=agent_id)))
    assert (run.status, run.stop_reason) == ("failed", "llm_api_error")
    with pytest.raises(letta_client.APIStatusError, match="llm_error"):
        list(client.agents.messages.create(agent_id, messages=say("NOMODEL"), streaming=True))


def test_what_needs_a_key_says_where_to_get_one(server: TandemServer) -> None:
    with pytest.raises(letta_client.AuthenticationError, match=r"manage\.py apikey"):
        Letta(base_url=server.url, api_key="wrong").agents.list()
    assert Letta(base_url=server.url, api_key="wrong").health().status == "ok"


def test_errors_are_the_sdks_own(client: Client) -> None:
    with pytest.raises(letta_client.NotFoundError):
        client.agents.retrieve("agent-00000000-0000-4000-8000-000000000000")
    with pytest.raises(letta_client.UnprocessableEntityError):
        client.agents.retrieve("nonsense")
    with pytest.raises(letta_client.BadRequestError, match="missing docstring"):
        client.tools.create(source_code="def f() -> int:\n    return 1\n")
    with pytest.raises(letta_client.InternalServerError, match="cloud"):
        client.templates.create(type="agent", agent_id="agent-1")


def test_iterating_over_pages_gives_everything_once(client: Client) -> None:
    made = [client.agents.create(model="demo/planner", tags=["paged"]).id for _ in range(5)]
    assert [agent.id for agent in client.agents.list(limit=2, tags=["paged"])] == made[::-1]
    assert [agent.id for agent in client.agents.list(limit=2, tags=["paged"], order="asc")] == made
    for _ in range(3):
        client.agents.messages.create(made[0], messages=say("hello"))
    everything = list(client.agents.messages.list(made[0], order="asc", limit=2))
    assert len({message.id for message in everything}) == len(everything) == 6
    newest = client.agents.messages.list(made[0], limit=2)
    assert [message.id for message in newest.items] == [message.id for message in everything[-2:]]
    assert len(list(client.runs.list(agent_id=made[0], limit=2))) == 3
    for agent in client.agents.list(limit=2, tags=["paged"]):
        client.agents.delete(agent.id)
    assert list(client.agents.list(tags=["paged"])) == []


def test_live_progress_comes_while_the_calls_run(client: Client, server: TandemServer) -> None:
    quick, slow = (
        make_tool(client, "quick", parallel=True, seconds=0),
        make_tool(client, "slow", parallel=True, seconds=4),
    )
    agent_id = make_agent(client, quick, slow)
    body = {"input": "CALL quick(s=one),slow(s=two)\nFINAL Done", "streaming": True}
    told: list[str] = []
    with http(server) as raw, raw.stream("POST", f"/v1/agents/{agent_id}/messages", json=body) as response:
        for event in read_events(response):
            if event.name == "tool_progress":
                told.append(event.data["type"])
                if event.data["type"] == "call.ended" and len([kind for kind in told if kind == "call.ended"]) == 1:
                    # The quick one has ended; the slow one, which prints first, has not.
                    runs = list(client.runs.list(agent_id=agent_id, active=True))
                    assert [run.status for run in runs] == ["running"]
    assert told.count("call.ended") == 2
    assert "call.output" in told


def test_the_demo_model_works_without_any_key(client: Client) -> None:
    tool = make_tool(client, "search_web", parallel=True)
    agent = client.agents.create(model="demo/planner", tool_ids=[tool.id])
    answer = client.agents.messages.create(agent.id, messages=say("Use search_web"))
    assert "tool_return_message" in kinds(answer.messages)
    assert answer.stop_reason.stop_reason == "end_turn"
    assert events_of(server=_server_of(client), run_id=answer.usage.run_ids[0])[-1].data == "[DONE]"


def _server_of(client: Client) -> Any:
    class Address:
        url = str(client.base_url).rstrip("/")
        api_key = client.api_key

    return Address


def _approval(*decisions: tuple[str, bool, str | None]) -> Any:
    approvals = [
        {"type": "approval", "tool_call_id": call_id, "approve": approve, "reason": reason}
        for call_id, approve, reason in decisions
    ]
    return {"type": "approval", "approvals": approvals}


def _wait_until_started(client: Client, run_id: str, *, calls: int) -> None:
    """Until the run's log tells of so many starts and ends of calls."""
    for _ in range(100):
        if client.runs.retrieve(run_id).status == "running" and _moves(client, run_id) >= calls:
            return
        time.sleep(0.1)
    raise AssertionError("the calls did not start")


def _moves(client: Client, run_id: str) -> int:
    """How many starts and ends of calls a live run's stream tells of right now."""
    server = _server_of(client)
    count = 0
    with http(server) as raw, raw.stream("POST", f"/v1/runs/{run_id}/stream", json={}) as response:
        for event in read_events(response):
            if event.name == "tool_progress" and event.data["type"] in ("call.started", "call.ended"):
                count += 1
            if count == 4:
                break
    return count
