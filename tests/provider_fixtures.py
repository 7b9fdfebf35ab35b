"""The stub provider as a subprocess, for tests that go over the wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class ProviderStub:
    """A running stub. The URLs are the base URLs that the SDKs want; `settings` configures both providers with it."""

    url: str

    @property
    def openai_url(self) -> str:
        """For OPENAI_BASE_URL."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """For ANTHROPIC_BASE_URL."""
        return self.url

    @property
    def settings(self) -> dict[str, str]:
        """Environment for a server that is to talk to the stub."""
        return {
            "OPENAI_API_KEY": "openai-test-key",
            "OPENAI_BASE_URL": self.openai_url,
            "ANTHROPIC_API_KEY": "anthropic-test-key",
            "ANTHROPIC_BASE_URL": self.anthropic_url,
        }

    def log(self) -> list[dict[str, Any]]:
        """Summaries of all requests since the last reset."""
        return list(self._call("GET", "/stub/log"))

    def last(self, n: int = 1) -> list[dict[str, Any]]:
        """The bodies of the last `n` requests, oldest first."""
        return list(self._call("GET", f"/stub/last?n={n}"))

    def reset(self) -> None:
        """Forget everything."""
        self._call("POST", "/stub/reset")

    def _call(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def provider_stub_process() -> Iterator[ProviderStub]:
    """A stub for the time of the block."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.provider_stub", "--port", "0"], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), "the stub provider did not start"
        yield ProviderStub(address)
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture(scope="session")
def running_provider_stub() -> Iterator[ProviderStub]:
    """One stub for all tests of a process."""
    with provider_stub_process() as stub:
        yield stub


@pytest.fixture
def provider_stub(running_provider_stub: ProviderStub) -> ProviderStub:
    """The stub, with nothing remembered."""
    running_provider_stub.reset()
    return running_provider_stub
