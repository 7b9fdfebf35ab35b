"""Every method of Letta's SDKs against the shipped server, through all three clients; docs/sdk-methods.md says the same.

After a change of what is served: TANDEM_WRITE_DOCS=1 pytest tests/test_sdk_methods.py writes the page anew.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from letta_client import AsyncLetta, Letta

from tests.mcp_servers import TinyServer
from tests.sdk_methods.scenario import SCENARIO
from tests.sdk_methods.story import Told, tell, tell_async
from tests.sdk_methods.table import CLIENTS, PAGE, render, sdk_methods
from tests.server_fixtures import TandemServer
from tests.test_sdk_typescript import node as node

pytestmark = [pytest.mark.sdk, pytest.mark.node, pytest.mark.timeout(420)]

_TYPESCRIPT = Path(__file__).parent / "typescript"


@pytest.fixture(scope="module")
def mcp_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = TinyServer(tmp_path_factory.mktemp("mcp")).start()
    yield server.url
    server.kill()


@pytest.fixture(scope="module")
def known_to(server: TandemServer, mcp_url: str) -> Callable[[str], dict[str, str]]:
    """What a story starts with: names of its own, so that the clients do not meet."""

    def of(name: str) -> dict[str, str]:
        made = Letta(base_url=server.url, api_key=server.api_key).post(
            "/v1/identities/",
            cast_to=dict[str, object],
            body={"identifier_key": name, "name": name, "identity_type": "user"},
        )
        return {"name": name, "mcp_url": mcp_url, "identity": str(made["id"])}

    return of


@pytest.fixture(scope="module")
def told(server: TandemServer, known_to: Callable[[str], dict[str, str]], node: str) -> dict[str, list[Told]]:
    import asyncio

    python = Letta(base_url=server.url, api_key=server.api_key, max_retries=0)
    patient = AsyncLetta(base_url=server.url, api_key=server.api_key, max_retries=0)
    return dict(
        zip(
            CLIENTS,
            (
                list(tell(python, known_to("sync"))),
                asyncio.run(tell_async(patient, known_to("async"))),
                tell_typescript(server, node, known_to("typescript")),
            ),
            strict=True,
        )
    )


def tell_typescript(server: TandemServer, node: str, known: dict[str, str]) -> list[Told]:
    environment = {
        **os.environ,
        "TANDEM_URL": server.url,
        "TANDEM_API_KEY": server.api_key,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    story = json.dumps({"steps": [step.wire() for step in SCENARIO], "known": known})
    done = subprocess.run(
        [node, "methods.mjs"],
        cwd=_TYPESCRIPT,
        env=environment,
        input=story,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [Told(**one) for one in json.loads(done.stdout)]


def test_the_story_has_every_method_of_the_sdk() -> None:
    assert {step.method for step in SCENARIO} == set(sdk_methods())
    assert len(sdk_methods()) == 129


@pytest.mark.parametrize("client", CLIENTS)
def test_every_method_does_what_it_must(told: dict[str, list[Told]], client: str) -> None:
    wrong = [f"{one.method}: {one.wrong}" for one in told[client] if one.wrong]
    assert not wrong, "\n".join(wrong)


def test_the_page_says_what_works(told: dict[str, list[Told]]) -> None:
    page = render(told)
    if os.environ.get("TANDEM_WRITE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page
