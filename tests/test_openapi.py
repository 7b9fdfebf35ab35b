"""The OpenAPI page tells the truth: whatever is sent, no route fails, and none answers with a status that it does not name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.server_fixtures import TandemServer

pytestmark = [pytest.mark.timeout(420)]

EXAMPLES = os.environ.get("TANDEM_FUZZ_EXAMPLES", "3")
# Routes that hold the line until something happens; tests/test_api_stream.py asks them what they can be asked.
STREAMS = "stream"
CHECKS = "not_a_server_error,status_code_conformance"


def test_no_route_fails_and_each_names_what_it_answers(server: TandemServer, tmp_path: Path) -> None:
    fuzz = [
        str(Path(sys.executable).with_name("st")),
        "run",
        f"{server.url}/v1/openapi.json",
        f"--header=Authorization: Bearer {server.api_key}",
        f"--checks={CHECKS}",
        "--phases=coverage,fuzzing",
        f"--max-examples={EXAMPLES}",
        "--generation-deterministic",
        "--no-shrink",
        "--request-timeout=30",
        f"--exclude-path-regex={STREAMS}",
        "--no-color",
    ]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1,localhost"}
    done = subprocess.run(fuzz, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert "Tested" in done.stdout


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"null", b"\xff\xfe", b"[" * 50_000, b'{"a":' * 5_000, b'{"name": ' + b"9" * 5_000 + b"}"],
    ids=["half", "list", "text", "null", "not utf-8", "deep list", "deep object", "long number"],
)
@pytest.mark.parametrize("path", ["agents/", "tools/", "blocks/", "tools/run", "conversations/", "archives/"])
def test_a_body_of_the_wrong_kind_is_refused(server: TandemServer, path: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    answer = httpx.post(f"{server.url}/v1/{path}", content=body, headers=headers, trust_env=False, timeout=30)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["agents/import", "folders/source-00000000-0000-4000-8000-000000000000/upload"])
def test_a_form_that_cannot_be_read_is_refused(server: TandemServer, path: str) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "multipart/form-data"}
    answer = httpx.post(f"{server.url}/v1/{path}", headers=headers, trust_env=False, timeout=30)
    assert answer.status_code == 400, answer.text
    assert "form" in answer.text


def test_a_huge_body_is_refused(server: TandemServer) -> None:
    headers = {"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"}
    body = b'{"name": "' + b"x" * (24 << 20) + b'"}'
    answer = httpx.post(f"{server.url}/v1/agents/", content=body, headers=headers, trust_env=False, timeout=60)
    assert 400 <= answer.status_code < 500, answer.text[:300]
