"""The tools library and the tool page."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.pages import COUNT_WORDS, a_tool, an_agent, forbidden_in, htmx, logged, signed_in, text_of, toast_of
from tools.models import Tool
from tools.trial_form import arguments_text, fields_of

pytestmark = pytest.mark.django_db

DANGER = (
    "Only enable parallel execution for tools safe to run concurrently. Tools that modify shared state or have "
    "ordering dependencies should remain sequential."
)
WRITES = '''def keep(text: str) -> str:
    """Keep a text.

    Args:
        text: What to keep.
    """
    with open("kept.txt", "w") as file:
        file.write(text)
    return "kept"
'''


@pytest.fixture
def browser() -> Client:
    return signed_in()


def test_pages_are_for_people_who_have_signed_in() -> None:
    tool = a_tool()
    for path in ("/tools/", f"/tools/{tool.pk}/"):
        assert Client().get(path).status_code == 302
    assert Client().post(f"/tools/{tool.pk}/switch/safe_to_retry/").status_code == 302
    tool.refresh_from_db()
    assert not tool.safe_to_retry


@pytest.mark.parametrize("field", ["enable_parallel_execution", "default_requires_approval", "safe_to_retry"])
def test_a_switch_is_saved_by_itself_and_logged(browser: Client, field: str) -> None:
    tool = a_tool()
    path = f"/tools/{tool.pk}/switch/{field}/"
    on = browser.post(path, {field: "on"}, headers=htmx())
    tool.refresh_from_db()
    assert getattr(tool, field) is True
    assert logged(tool) == [{field: [False, True]}]
    assert re.search(rf'<input[^>]*name="{field}"[^>]* checked', text_of(on))

    undone = browser.post(toast_of(on)["undo"], headers=htmx())
    tool.refresh_from_db()
    assert getattr(tool, field) is False
    assert logged(tool)[0] == {field: [True, False]}
    assert 'hx-swap-oob="true"' in text_of(undone)
    assert toast_of(undone)["undo"] == ""


def test_a_switch_works_without_javascript(browser: Client) -> None:
    tool = a_tool()
    answer = browser.post(
        f"/tools/{tool.pk}/switch/enable_parallel_execution/", {"enable_parallel_execution": "on"}, follow=True
    )
    assert answer.redirect_chain == [(f"/tools/{tool.pk}/?tab=settings", 302)]
    tool.refresh_from_db()
    assert tool.enable_parallel_execution


def test_no_other_field_has_a_switch(browser: Client) -> None:
    tool = a_tool()
    assert browser.post(f"/tools/{tool.pk}/switch/network/", {"network": "on"}).status_code == 404


def test_the_row_of_the_library_answers_with_its_own_switch(browser: Client) -> None:
    tool = a_tool()
    posted = {"enable_parallel_execution": "on", "shown": "row"}
    answer = browser.post(f"/tools/{tool.pk}/switch/enable_parallel_execution/", posted, headers=htmx())
    assert f'id="cell-{tool.pk}"' in text_of(answer)
    assert "shown=row" in toast_of(answer)["undo"]


def test_the_settings_say_the_danger_and_where_the_source_writes(browser: Client) -> None:
    browser.post("/tools/new/", {"source_code": WRITES})
    tool = Tool.objects.get(name="keep")
    html = text_of(browser.get(f"/tools/{tool.pk}/?tab=settings"))
    assert DANGER in html
    assert "Enable parallel execution" in html
    assert "line 7" in html
    assert "Opens a file for writing" in html


def test_settings_are_saved_together_and_leave_the_switch_alone(browser: Client) -> None:
    tool = a_tool(enable_parallel_execution=True)
    posted = {"timeout_seconds": "2.5", "return_char_limit": "900", "max_concurrency": "", "network": "off"}
    answer = browser.post(
        f"/tools/{tool.pk}/settings/", posted | {"lock_group": "db", "tags": "a, b, a"}, headers=htmx()
    )
    assert answer.status_code == 200
    tool.refresh_from_db()
    assert (tool.timeout_seconds, tool.return_char_limit, tool.max_concurrency) == (2.5, 900, None)
    assert (tool.network, tool.lock_group, tool.tags) == ("off", "db", ["a", "b"])
    assert tool.enable_parallel_execution
    assert logged(tool)[0]["timeout_seconds"] == [None, 2.5]


def test_a_bad_setting_is_named_beside_it_and_the_others_stay_as_typed(browser: Client) -> None:
    tool = a_tool()
    posted = {"timeout_seconds": "soon", "return_char_limit": "900", "network": "off", "lock_group": "db", "tags": "a"}
    answer = browser.post(f"/tools/{tool.pk}/settings/", posted, headers=htmx())
    html = text_of(answer)
    assert answer.status_code == 422
    assert "Enter a number." in html
    assert 'value="soon"' in html
    assert 'value="db"' in html
    assert 'value="900"' in html
    tool.refresh_from_db()
    assert tool.lock_group == ""
    assert logged(tool) == []


def test_saved_source_gives_a_new_schema(browser: Client) -> None:
    tool = a_tool()
    source = COUNT_WORDS.format(name="count_words").replace("least", "fewest").replace("\n", "\r\n")
    answer = browser.post(f"/tools/{tool.pk}/source/", {"source_code": source}, headers=htmx("tool-body"))
    assert answer["HX-Retarget"] == "#derived"
    tool.refresh_from_db()
    assert "fewest" in tool.parameters["properties"]
    assert "\r" not in tool.source_code


def test_a_source_with_problems_keeps_what_was_typed_and_names_the_line(browser: Client) -> None:
    tool = a_tool()
    source = "# a comment of mine\ndef count_words(text):\n    '''Count.'''\n"
    answer = browser.post(f"/tools/{tool.pk}/source/", {"source_code": source}, headers=htmx("tool-body"))
    html = text_of(answer)
    assert answer.status_code == 422
    assert "# a comment of mine" in html
    assert 'data-error-line="2"' in html
    assert "Line 2" in html
    assert "lacks a type annotation" in html
    tool.refresh_from_db()
    assert "least" in tool.source_code


def test_a_new_tool_is_made_from_its_source_and_a_taken_name_is_refused(browser: Client) -> None:
    posted = {"source_code": COUNT_WORDS.format(name="tally"), "enable_parallel_execution": "on"}
    made = browser.post("/tools/new/", posted, headers=htmx())
    tool = Tool.objects.get(name="tally")
    assert made["HX-Redirect"] == f"/tools/{tool.pk}/"
    assert tool.enable_parallel_execution
    again = browser.post("/tools/new/", posted, headers=htmx())
    assert again.status_code == 422
    assert "There is already a tool called tally" in text_of(again)
    assert "def tally" in text_of(again)


def test_a_deleted_tool_is_gone_and_logged(browser: Client) -> None:
    tool = a_tool()
    assert browser.post(f"/tools/{tool.pk}/delete/", headers=htmx())["HX-Redirect"] == "/tools/"
    assert not Tool.objects.exists()
    assert len(logged(tool, "deleted")) == 1


def test_the_schema_is_highlighted_with_classes(browser: Client) -> None:
    tool = a_tool()
    html = text_of(browser.get(f"/tools/{tool.pk}/?tab=schema"))
    assert '<span class="nt">' in html
    assert "&quot;count_words&quot;" in html


def test_the_drawer_keeps_the_address_of_the_page_beneath(browser: Client) -> None:
    tool = a_tool()
    headers = htmx("drawer-body", "http://testserver/agents/agent-1/?tab=tools")
    answer = browser.get(f"/tools/{tool.pk}/?tab=settings", headers=headers)
    assert answer["HX-Replace-Url"] == f"/agents/agent-1/?tab=tools&tool={tool.pk}&panel=settings"
    assert "<html" not in text_of(answer)
    assert 'hx-target="#drawer-body"' in text_of(answer)


def test_the_library_is_searched_and_narrowed(browser: Client) -> None:
    a_tool("alpha", enable_parallel_execution=True)
    a_tool("beta", tags=["night"])
    assert "beta" not in text_of(browser.get("/tools/?q=alph"))
    assert "alpha" not in text_of(browser.get("/tools/?q=night"))
    assert "beta" not in text_of(browser.get("/tools/?mode=parallel"))
    assert "No tool matches" in text_of(browser.get("/tools/?q=zzz"))
    part = text_of(browser.get("/tools/?q=alph", headers=htmx("tool-table")))
    assert "alpha" in part
    assert "<html" not in part


def test_the_library_asks_the_database_as_often_for_many_tools_as_for_one(
    browser: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first = a_tool("tool_0")
    an_agent("One", first)
    browser.get("/tools/")
    with django_assert_num_queries(5) as counted:
        browser.get("/tools/")
    tools = [a_tool(f"tool_{number}") for number in range(1, 8)]
    an_agent("Two", *tools)
    with django_assert_num_queries(len(counted)):
        browser.get("/tools/")


def test_arguments_are_written_as_the_schema_asks() -> None:
    parameters = {
        "properties": {
            "text": {"type": "string"},
            "note": {"type": "string"},
            "least": {"type": "integer", "default": 2},
            "mode": {"enum": ["fast", 3]},
            "loud": {"type": "boolean"},
            "kinds": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["text"],
    }
    posted = {
        "arg:text": "",
        "arg:note": "",
        "arg:least": "4",
        "arg:mode": "3",
        "arg:loud": "true",
        "arg:kinds": '["a"]',
    }
    assert json.loads(arguments_text(fields_of(parameters, posted))) == {
        "text": "",
        "least": 4,
        "mode": 3,
        "loud": True,
        "kinds": ["a"],
    }
    assert fields_of(parameters, {})[2].value == "2"
    assert json.loads(arguments_text(fields_of(parameters, {**posted, "arg:least": "four"})))["least"] == "four"


def test_wrong_arguments_get_the_message_that_a_model_would_get(browser: Client) -> None:
    tool = a_tool()
    posted = {"arg:text": "a b", "arg:least": "many", "arg:kinds": "[broken", "times": "1"}
    malformed = browser.post(f"/tools/{tool.pk}/test/", posted, headers=htmx("tool-body"))
    assert malformed.status_code == 422
    assert "The arguments are not valid JSON" in text_of(malformed)
    assert "[broken" in text_of(malformed)
    wrong = browser.post(f"/tools/{tool.pk}/test/", {**posted, "arg:kinds": ""}, headers=htmx("tool-body"))
    assert "least: must be an integer, but is the string" in text_of(wrong)


def test_every_tool_page_keeps_to_the_security_policy(browser: Client) -> None:
    tool = a_tool(tags=["<b>"], lock_group="a&b")
    paths = [
        "/tools/",
        "/tools/new/",
        *(f"/tools/{tool.pk}/?tab={tab}" for tab in ("code", "schema", "test", "settings")),
    ]
    for path in paths:
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert forbidden_in(text_of(answer)) == [], path
        assert "unsafe-" not in answer["Content-Security-Policy"]
