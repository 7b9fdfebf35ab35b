"""TypeScript tools by hand: the new tool form in its language, and the schema beside the source."""

from __future__ import annotations

import json

import pytest

from tests.pages import htmx, seed_actor, signed_in, text_of
from tools.library import create_tool
from tools.models import Tool

pytestmark = pytest.mark.django_db

SOURCE = "export const greet = (name: string): string => `hello ${name}`"
SCHEMA = {
    "name": "greet",
    "description": "Greets.",
    "parameters": {"type": "object", "properties": {"name": {"type": "string"}}},
}


def form(**fields: str) -> dict[str, str]:
    return {"source_type": "typescript", "source_code": SOURCE, "json_schema": json.dumps(SCHEMA), **fields}


def test_the_new_tool_form_asks_in_the_chosen_language() -> None:
    browser = signed_in()
    python = text_of(browser.get("/tools/new/"))
    assert "def word_count" in python
    assert 'name="json_schema"' not in python
    typescript = text_of(browser.get("/tools/new/?language=typescript"))
    assert "export async function word_count" in typescript
    assert 'name="json_schema"' in typescript
    assert 'name="source_type" value="typescript"' in typescript


def test_a_typescript_tool_is_made_and_shows_its_schema_for_editing() -> None:
    browser = signed_in()
    browser.post("/tools/new/", form(enable_parallel_execution="on"))
    tool = Tool.objects.get(name="greet")
    assert (tool.source_type, tool.description, tool.enable_parallel_execution) == ("typescript", "Greets.", True)
    html = text_of(browser.get(f"/tools/{tool.pk}/"))
    assert 'data-editor="javascript"' in html
    assert "&quot;description&quot;: &quot;Greets.&quot;" in html


def test_the_starting_source_and_schema_belong_together() -> None:
    browser = signed_in()
    page = browser.get("/tools/new/?language=typescript")
    given = page.context["form"].initial
    browser.post("/tools/new/", {**given, "json_schema": json.dumps(given["json_schema"])})
    assert Tool.objects.get(name="word_count").source_type == "typescript"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"json_schema": '{\n"name": greet}'}, "This is no JSON (line 2: Expecting value)."),
        ({"json_schema": ""}, "This field is required."),
        ({"json_schema": "[1]"}, "This is no JSON object"),
        ({"json_schema": '{"name": "meet", "parameters": {}}'}, "The source defines no function meet"),
        ({"source_code": ""}, "This field is required."),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(fields: dict[str, str], said: str) -> None:
    answer = signed_in().post("/tools/new/", form(**fields), headers=htmx("new-tool"))
    assert answer.status_code == 422
    assert said in text_of(answer).replace("&#x27;", "'")
    assert 'value="typescript"' in text_of(answer)
    assert not Tool.objects.exists()


def test_source_and_schema_are_saved_together() -> None:
    tool = create_tool(seed_actor(), source_code=SOURCE, fields={"source_type": "typescript", "json_schema": SCHEMA})
    louder = {"source_code": SOURCE + "\n", "json_schema": json.dumps({**SCHEMA, "description": "Greets loudly."})}
    answer = signed_in().post(f"/tools/{tool.pk}/source/", louder, headers=htmx("tool-body"))
    tool.refresh_from_db()
    assert answer.status_code == 200
    assert (tool.description, tool.json_schema["description"]) == ("Greets loudly.", "Greets loudly.")
