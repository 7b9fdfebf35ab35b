"""The tools that come with the server: their rows in the library, and what of them is the operator's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from access.activity import Actor
from access.keys import first_person, make_api_key
from ade.demo import seed_demo
from engine.ports import OnOutput
from engine.specs import Outcome
from tests.pages import htmx, signed_in, text_of
from tools.built_in import BUILT_INS, BuiltIn, Returned, ToolFault, ensure, register
from tools.direct import call_directly
from tools.library import ToolProblem, change_tool, create_tool, delete_tool, upsert_tool
from tools.models import Tool, ToolType
from tools.toolbox import Equipment

pytestmark = pytest.mark.django_db

SOMEBODY = Actor(None, "test")
OWN = '''def {name}(text: str) -> str:
    """One of my own.

    Args:
        text: A text.
    """
    return text
'''
PARALLEL = {
    "conversation_search",
    "archival_memory_search",
    "run_code",
    "web_search",
    "fetch_webpage",
    "grep_files",
    "semantic_search_files",
}


async def _echo(equipment: Equipment, arguments: Mapping[str, Any], on_output: OnOutput) -> str | Returned:
    match arguments["text"]:
        case "fault":
            raise ToolFault("say something else")
        case "slow":
            await asyncio.sleep(30)
        case "both":
            return Returned("out and err", stdout="out", stderr="err")
    return str(arguments["text"])


ECHO = BuiltIn(
    "echo_for_tests",
    ToolType.LETTA_CORE,
    "Say it again.",
    {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    _echo,
    is_parallel=True,
    tags=("echo",),
)


@pytest.fixture
def echo() -> Iterator[Tool]:
    register(ECHO)
    try:
        yield ensure([ECHO.name])[0]
    finally:
        del BUILT_INS[ECHO.name]


def client() -> Client:
    return Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'test')}"})


def test_every_built_in_tool_gets_a_row_once() -> None:
    made = ensure()
    assert {tool.name for tool in made} == set(BUILT_INS) == {tool.name for tool in Tool.objects.all()}
    assert [tool.pk for tool in ensure()] == [tool.pk for tool in made]


def test_only_tools_that_read_or_compute_start_with_the_switch_on() -> None:
    assert {tool.name for tool in ensure() if tool.enable_parallel_execution} == PARALLEL & set(BUILT_INS)


def test_a_row_keeps_its_switches_and_gets_the_new_description(echo: Tool) -> None:
    change_tool(SOMEBODY, echo, {"enable_parallel_execution": False, "timeout_seconds": 7.0, "tags": ["mine"]})
    Tool.objects.filter(pk=echo.pk).update(description="as it was", json_schema={})
    (again,) = ensure([ECHO.name])
    assert (again.enable_parallel_execution, again.timeout_seconds, again.tags) == (False, 7.0, ["mine"])
    assert (again.description, again.json_schema["parameters"]) == ("Say it again.", dict(ECHO.parameters))


def test_a_tool_of_ones_own_wins_over_a_built_in_one_of_its_name(echo: Tool) -> None:
    own = create_tool(SOMEBODY, source_code=OWN.format(name=ECHO.name), fields={})
    assert own.pk == echo.pk
    (found,) = ensure([ECHO.name])
    assert (found.tool_type, found.description) == (ToolType.CUSTOM, "One of my own.")
    assert not found.enable_parallel_execution  # nobody said that this one is safe
    assert found.tags == []


def test_a_tool_of_ones_own_that_was_there_first_stays() -> None:
    own = create_tool(
        SOMEBODY, source_code=OWN.format(name="memory_insert"), fields={"enable_parallel_execution": True}
    )
    ensure()
    stored = Tool.objects.get(name="memory_insert")
    assert (stored.pk, stored.tool_type, stored.source_code) == (own.pk, ToolType.CUSTOM, own.source_code)
    assert stored.enable_parallel_execution


def test_an_upsert_takes_the_name_over_too_and_a_deletion_gives_it_back(echo: Tool) -> None:
    own, is_new = upsert_tool(SOMEBODY, source_code=OWN.format(name=ECHO.name), fields={})
    assert (own.tool_type, is_new) == (ToolType.CUSTOM, False)
    delete_tool(SOMEBODY, own)
    assert ensure([ECHO.name])[0].tool_type == ToolType.LETTA_CORE


def test_what_comes_with_the_server_cannot_be_changed_or_deleted(echo: Tool) -> None:
    for changes in (
        {"source_code": OWN.format(name="other")},
        {"description": "Other"},
        {"json_schema": {"name": "other"}},
        {"pip_requirements": [{"name": "httpx"}]},
    ):
        with pytest.raises(ToolProblem, match="is built in"):
            change_tool(SOMEBODY, echo, changes)
    with pytest.raises(ToolProblem, match="cannot be deleted"):
        delete_tool(SOMEBODY, echo)
    assert Tool.objects.filter(pk=echo.pk).exists()


def test_saying_what_is_so_already_changes_nothing(echo: Tool) -> None:
    sent = {"description": echo.description, "source_code": "", "json_schema": echo.json_schema, "return_char_limit": 9}
    assert change_tool(SOMEBODY, echo, sent).return_char_limit == 9


def test_the_api_answers_400_and_takes_switches(echo: Tool) -> None:
    answer = client().patch(f"/v1/tools/{echo.pk}", {"description": "Other"}, content_type="application/json")
    assert answer.status_code == 400
    assert "built in" in answer.json()["detail"]
    assert client().delete(f"/v1/tools/{echo.pk}").status_code == 400
    switched = (
        client()
        .patch(
            f"/v1/tools/{echo.pk}",
            {"enable_parallel_execution": False, "max_concurrency": 2},
            content_type="application/json",
        )
        .json()
    )
    assert (switched["enable_parallel_execution"], switched["max_concurrency"]) == (False, 2)


def test_base_tools_are_added_by_the_api() -> None:
    assert not Tool.objects.exists()
    answer = client().post("/v1/tools/add-base-tools/")
    assert answer.status_code == 200
    assert {tool["name"] for tool in answer.json()} == set(BUILT_INS)
    kinds = {tool["name"]: tool["tool_type"] for tool in answer.json()}
    assert (kinds["memory_insert"], kinds["conversation_search"]) == ("letta_memory_core", "letta_core")
    assert client().post("/v1/tools/add-base-tools").json() == answer.json()


def test_seeding_adds_them_and_the_demo_keeps_its_own_send_message() -> None:
    ensure()
    assert seed_demo() is not None
    assert Tool.objects.get(name="send_message").tool_type == ToolType.CUSTOM
    call_command("seed")
    assert Tool.objects.get(name="send_message").tool_type == ToolType.CUSTOM
    assert set(BUILT_INS) <= set(Tool.objects.values_list("name", flat=True))


def test_the_pages_say_what_kind_a_tool_is(echo: Tool) -> None:
    browser = signed_in()
    assert "built in" in text_of(browser.get("/tools/"))
    code = text_of(browser.get(f"/tools/{echo.pk}/"))
    assert "no source to edit" in code
    assert "tab=dependencies" not in code
    settings = text_of(browser.get(f"/tools/{echo.pk}/?tab=settings"))
    assert "Built in: messages and archival memory" in settings
    assert "Delete tool" not in settings
    refused = browser.post(f"/tools/{echo.pk}/delete/", headers=htmx())
    assert (refused.status_code, "cannot be deleted" in text_of(refused)) == (400, True)


def test_the_settings_page_takes_a_built_in_tools_limits(echo: Tool) -> None:
    fields = {"timeout_seconds": "5", "return_char_limit": "100", "max_concurrency": "3", "lock_group": "g"}
    answer = signed_in().post(f"/tools/{echo.pk}/settings/", {**fields, "network": "web", "tags": ""}, headers=htmx())
    assert answer.status_code == 200
    echo.refresh_from_db()
    assert (echo.timeout_seconds, echo.return_char_limit, echo.max_concurrency) == (5.0, 100, 3)


@pytest.mark.django_db(transaction=True)
async def test_the_test_tab_calls_a_built_in_tool(echo: Tool, async_client: Any) -> None:
    from asgiref.sync import sync_to_async

    person = await sync_to_async(first_person)()
    await async_client.aforce_login(person)
    answer = await async_client.post(f"/tools/{echo.pk}/test/", {"arg:text": "hello there", "times": "3"})
    assert text_of(answer).count("hello there") >= 3
    fault = await async_client.post(f"/tools/{echo.pk}/test/", {"arg:text": "fault"})
    assert "Error executing function echo_for_tests: say something else" in text_of(fault)


@pytest.mark.django_db(transaction=True)
class TestCalls:
    """How a call of a built-in tool ends."""

    async def test_a_fault_is_an_error_return(self) -> None:
        result = await self._call("fault")
        assert (result.outcome, result.text) == (
            Outcome.ERROR,
            "Error executing function echo_for_tests: say something else",
        )

    async def test_a_call_that_takes_too_long_ends_as_a_timeout(self) -> None:
        result = await self._call("slow", timeout_seconds=0.1)
        assert (result.outcome, "timed out after 0.1 s" in result.text) == (Outcome.TIMEOUT, True)

    async def test_a_long_return_is_cut_and_kept_whole_beside(self) -> None:
        result = await self._call("x" * 50, return_char_limit=10)
        assert result.text == "x" * 10 + "... [return cut: 50 characters, the limit is 10]"
        assert result.full_text == "x" * 50

    async def test_output_goes_with_the_return(self) -> None:
        result = await self._call("both")
        assert (result.text, result.stdout, result.stderr) == ("out and err", "out", "err")

    async def test_a_tool_that_the_server_no_longer_has_says_so(self) -> None:
        tool = Tool(name="long_gone", tool_type=ToolType.LETTA_CORE)
        result = await call_directly(tool, "{}")
        assert (result.outcome, "no longer part of the server" in result.text) == (Outcome.ERROR, True)

    async def _call(self, text: str, **fields: Any) -> Any:
        BUILT_INS[ECHO.name] = ECHO
        try:
            tool = Tool(name=ECHO.name, tool_type=ECHO.tool_type, json_schema=ECHO.json_schema, **fields)
            return await call_directly(tool, f'{{"text": "{text}"}}')
        finally:
            del BUILT_INS[ECHO.name]
