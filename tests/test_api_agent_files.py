"""Agents as files over the API: what goes out comes in again; a bad file makes nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from access.models import Person
from agents.models import Agent, Block
from runs.history import in_context, model_history
from runs.models import Message
from tests.api_client import Api, Json
from tools.models import Tool

pytestmark = pytest.mark.django_db

# What two agents never share, and what an import sets anew.
_OWN = {"id", "created_at", "updated_at", "message_ids", "blocks", "memory", "tools", "secrets"} | {
    "tool_exec_environment_variables"
}


@pytest.fixture
def api() -> Api:
    return Api()


def load(api: Api, content: Any, *, status: int = 200, **fields: Any) -> Any:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return api.upload("/agents/import", file=SimpleUploadedFile("agent.af", body), status=status, **fields)


def imported(api: Api, content: Any, **fields: Any) -> Json:
    (key,) = load(api, content, **fields)["agent_ids"]
    agent: Json = api.get(f"/agents/{key}")
    return agent


def furnished(api: Api) -> Json:
    """An agent with everything that a file holds, and a conversation with a batch in it."""
    tools = [
        api.make_tool("search", enable_parallel_execution=True, timeout_seconds=7, lock_group="web", tags=["x"]),
        api.make_tool(
            "write", default_requires_approval=True, pip_requirements=[{"name": "httpx", "version": "0.27.0"}]
        ),
    ]
    agent = api.make_agent(
        name="Librarian",
        description="Finds books",
        system="Be brief.",
        model="openai/gpt-4.1",
        tags=["a"],
        metadata={"team": "x"},
        timezone="Europe/Rome",
        parallel_tool_calls=True,
        model_settings={"provider_type": "openai", "temperature": 0.5, "reasoning": {"reasoning_effort": "low"}},
        max_tokens=500,
        context_window_limit=30_000,
        embedding="openai/text-embedding-3-small",
        compaction_settings={"mode": "sliding_window"},
        response_format={"type": "json_object"},
        message_buffer_autoclear=True,
        tool_ids=[tool["id"] for tool in tools],
        tool_rules=[{"type": "run_first", "tool_name": "search"}, {"type": "exit_loop", "tool_name": "write"}],
        memory_blocks=[
            {"label": "human", "value": "Ada", "limit": 99, "description": "Who", "read_only": True, "tags": ["t"]},
            {"label": "persona", "value": "Kind", "metadata": {"k": 1}},
        ],
        secrets={"TOKEN": "s3cret"},
    )
    talk(agent["id"])
    return agent


def talk(agent_id: str) -> None:
    calls = [
        {"id": "call_one", "name": "search", "arguments": '{"q": "a"}', "needs_approval": False},
        {"id": "call_two", "name": "write", "arguments": "{}", "needs_approval": True},
    ]
    returns = [
        {"call_id": "call_one", "name": "search", "outcome": "success", "text": "Found.", "stdout": "o", "stderr": ""},
        {
            "call_id": "call_two",
            "name": "write",
            "outcome": "timeout",
            "text": "Too slow.",
            "stdout": "",
            "stderr": "e",
        },
    ]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    rows: list[Json] = [
        {"role": "user", "content": "Hello", "otid": "o-1", "name": "ada"},
        {"role": "user", "content": [{"type": "text", "text": "See"}, image]},
        {"role": "assistant", "content": "Wait.", "reasoning": "Hm", "reasoning_signature": "sig", "calls": calls},
        {"role": "approval", "decisions": [{"call_id": "call_two", "approve": True, "reason": ""}]},
        {"role": "tool", "returns": returns},
        {"role": "assistant", "content": "Done."},
    ]
    for position, row in enumerate(rows, 1):
        Message.objects.create(agent_id=agent_id, position=position, created_at=timezone.now(), **row)


def facts(agent_id: str) -> list[Json]:
    """An agent's messages without what two agents never share."""
    ids = {call["id"]: number for row in _rows(agent_id) for number, call in enumerate(row.calls)}
    return [
        {
            "role": row.role,
            "content": row.content,
            "otid": row.otid,
            "name": row.name,
            "reasoning": (row.reasoning, row.reasoning_signature),
            "calls": [{**call, "id": ids[call["id"]]} for call in row.calls],
            "returns": [{**returned, "call_id": ids[returned["call_id"]]} for returned in row.returns],
            "decisions": [{**decision, "call_id": ids[decision["call_id"]]} for decision in row.decisions],
            "search_text": row.search_text,
        }
        for row in _rows(agent_id)
    ]


def _rows(agent_id: str) -> list[Message]:
    return list(Message.objects.filter(agent_id=agent_id).order_by("position"))


def without_ids(rows: list[Json]) -> list[Json]:
    return [{name: value for name, value in row.items() if not name.endswith("_at") and name != "id"} for row in rows]


def test_an_agent_that_went_out_comes_in_again(api: Api) -> None:
    agent = api.get(f"/agents/{furnished(api)['id']}")
    file = api.get(f"/agents/{agent['id']}/export")
    again = imported(api, file, append_copy_suffix="false")
    assert {name for name in agent if agent[name] != again[name]} <= _OWN
    assert without_ids(again["tools"]) == without_ids(agent["tools"])
    assert without_ids(again["blocks"]) == without_ids(agent["blocks"])
    assert again["id"] != agent["id"]
    assert not {block["id"] for block in again["blocks"]} & {block["id"] for block in agent["blocks"]}
    assert facts(again["id"]) == facts(agent["id"])
    old, new = (Agent.objects.get(pk=one["id"]) for one in (agent, again))
    assert len(model_history(new)) == len(model_history(old)) == 6


def test_an_agent_also_comes_into_an_empty_library(api: Api) -> None:
    agent = furnished(api)
    file = api.get(f"/agents/{agent['id']}/export")
    before = without_ids(api.get(f"/agents/{agent['id']}")["tools"])
    api.delete(f"/agents/{agent['id']}")
    Tool.objects.all().delete()
    again = imported(api, file)
    assert without_ids(again["tools"]) == before
    assert [rule["type"] for rule in again["tool_rules"]] == ["run_first", "exit_loop", "requires_approval"]


def test_calls_get_ids_of_their_own(api: Api) -> None:
    agent = furnished(api)
    again = imported(api, api.get(f"/agents/{agent['id']}/export"))
    ids = {call["id"] for row in _rows(again["id"]) for call in row.calls}
    assert len(ids) == 2
    assert not ids & {"call_one", "call_two"}


def test_a_file_has_the_shape_that_lettas_import_reads(api: Api) -> None:
    file = api.get(f"/agents/{furnished(api)['id']}/export")
    assert file.keys() >= {"agents", "groups", "blocks", "files", "sources", "tools", "mcp_servers", "metadata"}
    (agent,) = file["agents"]
    assert (agent["id"], agent["tool_ids"], agent["block_ids"]) == (
        "agent-0",
        ["tool-0", "tool-1"],
        ["block-0", "block-1"],
    )
    assert agent["in_context_message_ids"] == [message["id"] for message in agent["messages"]]
    prompt, *_, batch, _, answer, _ = agent["messages"]
    assert prompt["role"] == "system"
    assert "<human>" in prompt["content"][0]["text"]
    assert batch["tool_calls"][0] == {
        "id": "call_one",
        "type": "function",
        "function": {"name": "search", "arguments": '{"q": "a"}'},
        "needs_approval": False,
    }
    assert [part["type"] for part in batch["content"]] == ["reasoning", "text"]
    assert [given["status"] for given in answer["tool_returns"]] == ["success", "error"]
    assert json.loads(answer["tool_returns"][0]["func_response"])["message"] == "Found."


def test_secrets_leave_without_their_values_unless_an_administrator_asks(api: Api) -> None:
    agent = api.make_agent(secrets={"TOKEN": "s3cret"})
    path = f"/agents/{agent['id']}/export"
    assert api.get(path)["agents"][0]["secrets"] == {"TOKEN": ""}
    assert "s3cret" not in json.dumps(api.get(path))
    assert api.get(f"{path}?include_secrets=true")["agents"][0]["secrets"] == {"TOKEN": "s3cret"}
    Person.objects.update(is_superuser=False)
    assert "administrator" in api.get(f"{path}?include_secrets=true", status=403)["detail"]


@pytest.mark.parametrize("field", ["secrets", "env_vars_json"])
def test_secrets_can_be_sent_beside_the_file(api: Api, field: str) -> None:
    file = api.get(f"/agents/{api.make_agent(secrets={'TOKEN': 'x', 'OTHER': 'y'})['id']}/export")
    again = imported(api, file, **{field: '{"TOKEN": "new", "MORE": "z"}'})
    shown = api.get(f"/agents/{again['id']}?include=agent.secrets")["secrets"]
    assert {one["key"]: one["value"] for one in shown} == {"TOKEN": "new", "OTHER": "", "MORE": "z"}


def test_the_importer_may_wish_for_other_things(api: Api) -> None:
    file = api.get(f"/agents/{furnished(api)['id']}/export")
    assert imported(api, file)["name"] == "Librarian_copy"
    other = imported(
        api, file, name="Nova", model="anthropic/claude-sonnet-4-5", embedding="openai/other", strip_messages="true"
    )
    assert (other["name"], other["model"], other["embedding"]) == (
        "Nova",
        "anthropic/claude-sonnet-4-5",
        "openai/other",
    )
    assert other["llm_config"]["context_window"] == 30_000
    assert other["message_ids"] == []
    older = imported(
        api,
        file,
        override_name="Older",
        override_model_handle="demo/planner",
        override_embedding_handle="a/b",
        project_id="p",
    )
    assert (older["name"], older["model"], older["embedding"], older["project_id"]) == (
        "Older",
        "demo/planner",
        "a/b",
        "p",
    )


def test_a_file_without_its_messages(api: Api) -> None:
    agent = furnished(api)
    (told,) = api.get(f"/agents/{agent['id']}/export?scrub_messages=true")["agents"]
    assert (told["messages"], told["in_context_message_ids"]) == ([], [])


@pytest.mark.parametrize(("overrides", "wins"), [("true", "file"), ("false", "library")])
def test_a_tool_of_the_same_name_gives_way_or_not(api: Api, overrides: str, wins: str) -> None:
    tool = api.make_tool("search", tags=["file"])
    file = api.get(f"/agents/{api.make_agent(tool_ids=[tool['id']])['id']}/export")
    api.patch(f"/tools/{tool['id']}", {"tags": ["library"]})
    again = imported(api, file, override_existing_tools=overrides)
    assert [(one["id"], one["tags"]) for one in again["tools"]] == [(tool["id"], [wins])]


def test_a_summary_still_stands_for_what_came_before(api: Api) -> None:
    agent = api.make_agent()
    talk(agent["id"])
    Message.objects.create(
        agent_id=agent["id"],
        position=7,
        role="summary",
        content="They talked.",
        covers_until=5,
        compaction={"trigger": "manual"},
        created_at=timezone.now(),
    )
    again = imported(api, api.get(f"/agents/{agent['id']}/export"))
    row = Agent.objects.get(pk=again["id"])
    assert [message.content for message in in_context(row)] == ["They talked.", "Done."]
    assert len(again["message_ids"]) == 7
    assert Message.objects.get(agent=row, role="summary").compaction == {"trigger": "manual"}


def hand_written(**fields: Any) -> Json:
    return {
        "agents": [{"id": "agent-0", "name": "Sam", "model": "demo/planner", "system": "Hi", **fields}],
        "blocks": [{"id": "block-0", "label": "human", "value": "Ada", "limit": 20}],
        "tools": [],
    }


def test_what_lettas_servers_write_is_understood(api: Api) -> None:
    messages = [
        {"id": "message-0", "role": "system", "content": [{"type": "text", "text": "Compiled."}]},
        {"id": "message-1", "role": "user", "content": [{"type": "text", "text": "Hi", "signature": None}]},
        {
            "id": "message-2",
            "role": "approval",
            "content": None,
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {
            "id": "message-3",
            "role": "approval",
            "approvals": [{"type": "approval", "tool_call_id": "toolu_1", "approve": True}],
        },
        {
            "id": "message-4",
            "role": "tool",
            "name": "look",
            "tool_call_id": "toolu_1",
            "content": [{"type": "text", "text": '{"status": "OK", "message": "None", "time": "now"}'}],
            "tool_returns": [],
        },
        {
            "id": "message-5",
            "role": "assistant",
            "content": [{"type": "text", "text": "Then?"}],
            "tool_calls": [{"id": "toolu_2", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
    ]
    file = hand_written(messages=messages, model=None, llm_config={"handle": "openai/gpt-4.1", "model": "gpt-4.1"})
    file["agents"][0]["tool_ids"] = ["tool-0", "tool-1"]
    file["tools"] = [
        {"id": "tool-0", "name": "memory_insert", "tool_type": "letta_core", "source_code": None, "metadata_": {}},
        {"id": "tool-1", "name": "fly_to_the_moon", "tool_type": "letta_core", "source_code": None},
    ]
    answer = load(api, json.dumps(file))  # a JSON text in a JSON text, as the SDK's users write it
    assert answer["warnings"] == ["This server has no built-in tool fly_to_the_moon; the agent is without it."]
    agent = api.get(f"/agents/{answer['agent_ids'][0]}")
    assert agent["model"] == "openai/gpt-4.1"
    assert [tool["name"] for tool in agent["tools"]] == ["memory_insert"]
    rows = _rows(agent["id"])
    assert [row.role for row in rows] == ["user", "assistant", "approval", "tool", "assistant"]
    assert rows[1].calls[0]["needs_approval"] is True
    assert rows[3].returns[0] | {"call_id": ""} == {
        "call_id": "",
        "name": "look",
        "outcome": "success",
        "text": "None",
        "stdout": "",
        "stderr": "",
    }
    assert rows[4].calls == [], "a call that nobody answered is not sent to a provider"


def test_messages_that_no_longer_stood_in_the_context_are_left_out(api: Api) -> None:
    messages = [{"id": f"message-{number}", "role": "user", "content": str(number)} for number in range(4)]
    answer = load(api, hand_written(messages=messages, in_context_message_ids=["message-2", "message-3"]))
    assert "2 messages of Sam_copy" in answer["warnings"][0]
    assert [row.content for row in _rows(answer["agent_ids"][0])] == ["2", "3"]


def test_agents_of_one_file_share_its_blocks(api: Api) -> None:
    file = hand_written(block_ids=["block-0"])
    file["agents"].append({"id": "agent-1", "name": "Eve", "model": "demo/planner", "block_ids": ["block-0"]})
    sam, eve = (api.get(f"/agents/{key}") for key in load(api, file)["agent_ids"])
    assert (sam["name"], eve["name"]) == ("Sam_copy", "Eve_copy")
    assert sam["blocks"][0]["id"] == eve["blocks"][0]["id"]


def test_tools_of_an_mcp_server_that_is_not_here_are_named(api: Api) -> None:
    file = hand_written(tool_ids=["tool-0"])
    about = {"mcp": {"server_name": "weather"}}
    file["tools"] = [{"id": "tool-0", "name": "forecast", "tool_type": "external_mcp", "metadata_": about}]
    file["mcp_servers"] = [
        {"id": "x", "server_type": "sse", "server_name": "weather", "server_url": "https://w.example"}
    ]
    (warning,) = load(api, file)["warnings"]
    assert warning == (
        "The tool forecast comes from the MCP server weather (https://w.example): add that server, then attach the tool."
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"\xff\xfe", "no JSON"),
        (b"{", "no JSON"),
        (b'{"agents": NaN}', "NaN is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        ([], "should be a JSON object"),
        ({"tools": []}, "no `agents`"),
        ({"core_memory": []}, "export it anew"),
        ({"agents": []}, "agents"),
        (hand_written(messages=[{"role": "robot"}]), "agents.0.messages.0.role"),
        (hand_written(name="a\0b"), "U+0000"),
        (hand_written(model=None), "Agent Sam: Say which model"),
        (hand_written(model="acme/one"), "Agent Sam: Unknown model provider 'acme'"),
        (hand_written(block_ids=["block-7"]), "block block-7 that is not in the file"),
        (hand_written(tool_ids=["tool-7"]), "tool tool-7 that is not in the file"),
        (hand_written(tool_rules=[{"type": "odd", "tool_name": "a"}]), "Unknown tool rule"),
        (hand_written(secrets={"A-B": "x"}), "no name of a variable"),
        (hand_written() | {"blocks": [{"id": "b", "label": "l", "value": "long", "limit": 2}]}, "at most 2 characters"),
        (hand_written() | {"tools": [{"id": "t", "name": "t", "source_code": "def t(:"}]}, "Tool t:"),
        (hand_written() | {"tools": [{"id": "t", "name": "t"}]}, "no source_code"),
    ],
)
def test_a_bad_file_is_refused_in_words_and_makes_nothing(api: Api, content: Any, text: str) -> None:
    tools = Tool.objects.count()
    assert text in load(api, content, status=400)["detail"]
    assert not Agent.objects.exists()
    assert not Block.objects.exists()
    assert Tool.objects.count() == tools


def test_secrets_beside_the_file_are_texts(api: Api) -> None:
    for sent in ("{", "[]", '{"A": 1}'):
        assert "secrets" in load(api, hand_written(), status=400, secrets=sent)["detail"]
    assert not Agent.objects.exists()


def test_the_older_format_is_refused(api: Api) -> None:
    agent = api.make_agent()
    assert "older servers" in api.get(f"/agents/{agent['id']}/export?use_legacy_format=true", status=400)["detail"]
