"""The contract of the engines on a Postgres and Redis of our own, which these tests start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.private_servers import postgres_and_redis
from tests.processes import outside

_ROOT = Path(__file__).parent.parent


@pytest.mark.timeout(600)
@pytest.mark.parametrize("files", [("test_engine_contract.py", "test_worker.py"), ("two_workers.py",)])
def test_the_contract_holds_on_postgres(files: tuple[str, ...], tmp_path: Path) -> None:
    with postgres_and_redis() as (postgres, redis):
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in files)],
            cwd=_ROOT,
            env=outside()
            | {"DATABASE_URL": postgres.url("contract"), "REDIS_URL": redis.url, "ADE_DATA_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout
