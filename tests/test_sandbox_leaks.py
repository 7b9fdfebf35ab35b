"""Many calls in a row leave nothing behind; `python -m benchmarks.leaks` tries it with 10,000."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.leaks import Comparison, Holdings, compare


@pytest.mark.timeout(300)
async def test_five_hundred_calls_leave_nothing_behind(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)

    found = await compare(500, tmp_path)

    assert found.leaks == [], found.lines()
    assert list(tmp_path.iterdir()) == []


def test_what_there_is_more_of_is_named() -> None:
    before = Holdings(8, 0, 20, 12, 40.0, 20.0)

    assert Comparison(1, before, replace(before, files=1, server_mb=41.0)).leaks == ["files"]
    assert Comparison(1, before, replace(before, fork_server_mb=90.0)).leaks == ["fork_server_mb"]
