"""Tools run over the API, for real: in the sandbox."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from access.keys import first_person, make_api_key
from agents.models import Agent
from agents.variables import set_variable
from runs.models import Message, Run
from tests.pages import an_agent, seed_actor
from tools import toolbox
from tools.library import create_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db(transaction=True)

Json = dict[str, Any]

ADD = '''
import os
import sys


def add(a: int, b: int = 2) -> int:
    """Add.

    Args:
        a: One.
        b: Another.
    """
    print("adding", os.environ.get("TOKEN"), os.getppid())
    if a < 0:
        print("look here", file=sys.stderr)
        raise ValueError("a is negative")
    return a + b
'''
KNOW = '''
import os


def know(agent_state) -> str:
    """Tell what is known."""
    print("token", os.environ["TOKEN"])
    return f"{agent_state.name} {os.environ['TOKEN']} {os.environ['REGION']}"
'''


Send = Callable[..., Awaitable[Any]]


@pytest.fixture
async def send() -> AsyncIterator[Send]:
    """Posts with a key and gives the answer's JSON; the sandbox ends with the test."""
    key = await sync_to_async(lambda: make_api_key(first_person(), "tests"))()
    client = AsyncClient()

    async def post(path: str, body: Json, status: int = 200) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        answer = await client.post(f"/v1{path}", body, content_type="application/json", headers=headers)
        assert answer.status_code == status, answer.content
        return answer.json()

    yield post
    await toolbox.sandbox().close()


async def test_a_source_runs_in_the_sandbox_and_is_not_kept(send: Send) -> None:
    body = {"source_code": ADD, "args": {"a": 3}, "env_vars": {"TOKEN": "given"}, "name": "add"}
    returned = await send("/tools/run", body)
    assert (returned["id"], returned["tool_call_id"], returned["message_type"]) == (
        "null",
        "null",
        "tool_return_message",
    )
    assert (returned["status"], returned["tool_return"], returned["name"]) == ("success", "5", "add")
    [printed] = returned["stdout"]
    assert printed.startswith("adding given ")
    assert printed.split()[-1] != str(os.getpid())
    assert returned["tool_returns"][0]["tool_return"] == "5"
    assert await Tool.objects.acount() == 0


async def test_what_a_tool_does_wrong_is_a_result(send: Send) -> None:
    raised = await send("/tools/run", {"source_code": ADD, "args": {"a": -1}})
    assert raised["status"] == "error"
    assert raised["tool_return"] == "Error executing function add: ValueError: a is negative"
    assert "look here" in raised["stderr"]
    misfit = await send("/tools/run", {"source_code": ADD, "args": {"a": "three"}})
    assert misfit["status"] == "error"
    assert "The tool was not run" in misfit["tool_return"]
    assert misfit["stdout"] is None


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"source_code": "def add(:", "args": {}}, 400, "Failed to parse source code"),
        ({"source_code": ADD, "args": {}, "name": "other"}, 400, "is called 'add', not 'other'"),
        ({"source_code": ADD, "args": {}, "env_vars": {"LD_PRELOAD": "x"}}, 400, "set by the sandbox"),
        ({"source_code": "function add() {}", "args": {}, "source_type": "typescript"}, 422, "needs a json_schema"),
        ({"args": {}}, 422, "source_code"),
        ({"source_code": ADD, "args": [1]}, 422, "args"),
    ],
)
async def test_what_is_no_tool_is_refused(send: Send, body: Json, status: int, text: str) -> None:
    assert text in (await send("/tools/run", body, status))["detail"]


async def test_a_schema_is_generated_from_source(send: Send) -> None:
    schema = await send("/tools/generate-schema", {"code": ADD})
    assert (schema["name"], schema["description"], schema["parameters"]["required"]) == ("add", "Add.", ["a"])
    refused = await send("/tools/generate-schema", {"code": "def add(a): pass"}, 400)
    assert "missing docstring" in refused["detail"]


def _librarian(*sources: str) -> Agent:
    tools = [create_tool(seed_actor(), source_code=source, fields={}) for source in sources]
    agent = an_agent("Librarian", *tools)
    set_variable(seed_actor(), agent, "TOKEN", "s3cret-value")
    set_variable(seed_actor(), agent, "REGION", "north", is_secret=False)
    return agent


async def test_an_agents_tool_runs_with_its_variables_and_secrets_are_masked(send: Send) -> None:
    agent = await sync_to_async(_librarian)(KNOW, ADD)
    result = await send(f"/agents/{agent.pk}/tools/know/run", {"args": {}})
    assert (result["status"], result["func_return"]) == ("success", "Librarian ••• north")
    assert result["stdout"] == ["token •••"]
    assert result["agent_state"]["id"] == agent.pk

    failed = await send(f"/agents/{agent.pk}/tools/add/run", {"args": {"a": -1}})
    assert (failed["status"], failed["func_return"]) == ("error", None)
    assert failed["stderr"][-1] == "Error executing function add: ValueError: a is negative"
    assert not await Run.objects.aexists()
    assert not await Message.objects.aexists()


RETURNS = '''
def give(kind: str):
    """Give something back.

    Args:
        kind: What.
    """
    return {"object": {"a": [1, None, "x"]}, "number": 1.5, "list": [1], "truth": True, "nothing": None,
            "text": "[1]", "long": ["x" * 100_000], "secret": {"token": "s3cret-value"}}[kind]
'''


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("object", {"a": [1, None, "x"]}),
        ("number", 1.5),
        ("list", [1]),
        ("truth", True),
        ("nothing", None),
        ("text", "[1]"),
        ("long", ["x" * 100_000]),
        ("secret", {"token": "•••"}),
    ],
)
async def test_a_return_keeps_its_type(send: Send, kind: str, value: Any) -> None:
    agent = await sync_to_async(_librarian)(RETURNS)
    result = await send(f"/agents/{agent.pk}/tools/give/run", {"args": {"kind": kind}})
    assert (result["status"], result["func_return"]) == ("success", value)
    returned = await send("/tools/run", {"source_code": RETURNS, "args": {"kind": kind}})
    assert isinstance(returned["tool_return"], str)
    if kind != "secret":
        assert returned["func_return"] == value


async def test_only_attached_tools_run(send: Send) -> None:
    agent = await sync_to_async(_librarian)()
    await sync_to_async(create_tool)(seed_actor(), source_code=ADD, fields={})
    answer = await send(f"/agents/{agent.pk}/tools/add/run", {"args": {"a": 1}}, 404)
    assert "has no tool called 'add'" in answer["detail"]
