"""The unmodified TypeScript SDK against the shipped server: each file of tests/typescript is one test here."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import need
from tests.server_fixtures import TandemServer

pytestmark = [pytest.mark.sdk, pytest.mark.node]

_HERE = Path(__file__).parent / "typescript"
_SDK = _HERE / "node_modules" / "@letta-ai" / "letta-client"


@pytest.fixture(scope="session")
def node() -> str:
    """Node.js, with the SDK installed beside the tests."""
    found = need("node", "the TypeScript SDK runs on it")
    if not _SDK.exists():
        npm = need("npm", "it installs the TypeScript SDK")
        subprocess.run([npm, "install", "--no-package-lock", "--silent"], cwd=_HERE, check=True, timeout=170)
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in _HERE.glob("*.test.mjs")))
def test_the_typescript_sdk_works(node: str, server: TandemServer, name: str) -> None:
    environment = {
        **os.environ,
        "TANDEM_URL": server.url,
        "TANDEM_API_KEY": server.api_key,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    done = subprocess.run(
        [node, "--test", name], cwd=_HERE, env=environment, capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
