"""The API's doors and manners: keys, both slash forms, and errors in the shape that the SDKs expect."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from access.keys import first_person, make_api_key
from access.models import ApiKey
from agents.models import Agent
from api.absent import CLOUD_ONLY
from api.dispatching import Envelope, begin
from api.errors import ApiProblem
from api.schemas.inputs import Sent

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-4000-8000-000000000000"  # constant: every test process must name the same tests


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with a key."""
    yield Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})


def test_health_needs_no_key() -> None:
    answer = Client().get("/v1/health/")
    assert answer.status_code == 200
    assert answer.json() == {"version": "0.1.0", "status": "ok"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}])
def test_without_a_key_the_answer_says_how_to_get_one(headers: dict[str, str]) -> None:
    answer = Client(headers=headers).get("/v1/agents/")
    assert answer.status_code == 401
    assert "printed at the first start" in answer.json()["detail"]
    assert "manage.py apikey" in answer.json()["detail"]


def test_a_browsers_session_does_not_open_the_api() -> None:
    browser = Client()
    browser.force_login(first_person())
    assert browser.get("/v1/agents/").status_code == 401


def test_a_revoked_key_no_longer_opens(client: Client) -> None:
    assert client.get("/v1/agents").status_code == 200
    ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
    assert client.get("/v1/agents").status_code == 401


def test_the_command_makes_a_key_that_opens() -> None:
    out = io.StringIO()
    call_command("apikey", "laptop", stdout=out)
    key = out.getvalue().strip()
    assert Client(headers={"Authorization": f"Bearer {key}"}).get("/v1/tools/").status_code == 200
    assert ApiKey.objects.get().name == "laptop"


@pytest.mark.parametrize("path", ["/v1/agents", "/v1/agents/", "/v1/tools", "/v1/tools/", "/v1/runs/", "/v1/tags/"])
def test_both_slash_forms_answer_without_a_redirect(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, [])


def test_a_post_answers_on_both_slash_forms(client: Client) -> None:
    for path in ("/v1/agents", "/v1/agents/"):
        assert client.post(path, {"model": "demo/planner"}, "application/json").status_code == 200
    assert Agent.objects.count() == 2


def test_an_unknown_path_is_json(client: Client) -> None:
    answer = client.get("/v1/nowhere/at/all")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "There is no GET /v1/nowhere/at/all on this server."}


@pytest.mark.parametrize(("method", "path"), CLOUD_ONLY)
def test_what_only_the_cloud_has_is_said_so(method: str, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    answer = strict.generic(method, f"/v1/{path.replace('{', '').replace('}', '')}")
    assert (answer.status_code, answer["x-should-retry"]) == (501, "false")
    assert "Letta's cloud" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/agents/agent-{NOBODY}", 404),
        (f"/v1/tools/tool-{NOBODY}", 404),
        (f"/v1/runs/run-{NOBODY}", 404),
        (f"/v1/steps/step-{NOBODY}", 404),
        (f"/v1/blocks/block-{NOBODY}", 404),
        ("/v1/agents/nonsense", 422),
        ("/v1/runs/nonsense", 400),
    ],
)
def test_an_unknown_id_and_one_that_is_none(client: Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    "body",
    [
        b"{no json",
        b'{"messages": []}',
        b'{"input": "a", "messages": []}',
        b"{}",
        b'{"input": "half \\ud83d"}',
        b'{"input": "nul \\u0000"}',
        b'{"input": NaN}',
        b"[" * 100_000,
    ],
)
def test_a_malformed_body_is_422_with_text(client: Client, body: bytes) -> None:
    agent = Agent.objects.create(name="a", model="demo/planner")
    answer = client.post(f"/v1/agents/{agent.pk}/messages", body, "application/json")
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert answer.json()["trace_id"]


@pytest.mark.parametrize("body", [{"input": "a", "return_logprobs": True}, {"input": "a", "return_token_ids": True}])
def test_what_this_server_does_not_do_is_said_and_not_ignored(body: dict[str, Any]) -> None:
    agent = Agent.objects.create(name="a", model="demo/planner")
    with pytest.raises(ApiProblem) as caught:
        begin(agent.pk, Sent(**body), Envelope("tests", b"", 0, False), is_background=False, is_token_streamed=False)
    assert (caught.value.status, caught.value.is_final) == (501, True)
    assert not agent.runs.exists()


def test_a_method_that_a_path_does_not_take_is_json(client: Client) -> None:
    answer = client.put("/v1/agents/", {}, "application/json")
    assert (answer.status_code, sorted(answer["Allow"].split(", "))) == (405, ["GET", "POST"])
    assert "does not take PUT" in answer.json()["detail"]


def test_a_request_that_is_too_large_is_refused(client: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    answer = client.post("/v1/tools/", {"source_code": "x" * 2000}, "application/json")
    assert (answer.status_code, answer["x-should-retry"]) == (413, "false")


def test_a_surprise_is_json_too(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("api.tools.tool_state", break_down)
    client.raise_request_exception = False
    answer = client.post(
        "/v1/tools/", {"source_code": 'def f() -> str:\n    """Does."""\n    return ""\n'}, "application/json"
    )
    assert answer.status_code == 500
    assert "Internal server error" in answer.json()["detail"]


def test_the_openapi_page_runs_no_inline_script() -> None:
    page = Client().get("/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    assert "swagger-ui-bundle" in text
    assert "https://" not in text
    assert "script-src 'self'" in page["Content-Security-Policy"]
    schema = Client().get("/v1/openapi.json").json()
    assert "/v1/agents/{agent_id}/messages" in schema["paths"]
