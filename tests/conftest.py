"""What all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest
from hypothesis import settings as property_settings

from runs.database import close_connections

pytest_plugins = ["tests.provider_fixtures", "tests.server_fixtures", "tests.wheels", "tests.npm_registry"]

# How long an example takes says nothing. In CI the same examples each time: what is found there can be found again.
property_settings.register_profile("tandem", deadline=None, derandomize=os.environ.get("CI") == "true")
property_settings.load_profile("tandem")


def need(program: str, why: str) -> str:
    """The path of a program that this test cannot do without. Missing, it skips the test and says why; with CI=true
    that is a failure instead."""
    path = shutil.which(program)
    return path or cannot_run(f"{program} is not installed: {why}")


def cannot_run(message: str) -> NoReturn:
    """Skip this test; with CI=true that is a failure instead."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def _no_outside_settings(settings: object) -> Iterator[None]:
    """Keys of whoever runs the tests must not reach a provider."""
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "EXA_API_KEY",
        "TAVILY_API_KEY",
    ):
        setattr(settings, name, "")
    # A worker that a test stops shall leave its runs where they are, as a killed one does.
    settings.ADE_GRACE_SECONDS = 0.0  # type: ignore[attr-defined]
    yield


@pytest.fixture(autouse=True)
def _no_connections_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Postgres does not drop a test database that somebody is still connected to."""
    yield
    if request.node.get_closest_marker("django_db") is not None:
        close_connections()
