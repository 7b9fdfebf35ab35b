"""The short form of `make chaos` on SQLite: the server is killed in the middle of runs and started again."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos import run_chaos, set_up
from tests.provider_fixtures import ProviderStub


@pytest.mark.timeout(600)
def test_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path, running_provider_stub: ProviderStub) -> None:
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)  # tools run as somebody else
    with ExitStack() as stack:
        assert run_chaos(set_up(stack, running_provider_stub, tmp_path, "sqlite"), 3, "worker", seed=7) == []
