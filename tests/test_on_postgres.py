"""The shipped commands on a Postgres and Redis of our own: killed, frozen, stopped, and with the services restarted
underneath."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from tests.chaos import Setting, judge, make_tools, play_round, run_chaos, send, set_up, until_ended
from tests.processes import WorkerProcess, outside
from tests.provider_fixtures import ProviderStub
from tests.sdk_support import source

T = TypeVar("T")
_ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory, running_provider_stub: ProviderStub) -> Iterator[Setting]:
    """A server and two workers on Postgres and Redis."""
    directory = tmp_path_factory.mktemp("postgres")
    for parent in (directory, *directory.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o011)  # tools run as somebody else
    with ExitStack() as stack:
        yield set_up(stack, running_provider_stub, directory, "postgres")


@pytest.mark.parametrize(("hits", "rounds"), [("worker", 2), ("postgres", 2), ("redis", 1)])
def test_nothing_is_lost_and_nothing_runs_twice(setting: Setting, hits: str, rounds: int) -> None:
    assert run_chaos(setting, rounds, hits, seed=len(hits)) == []


def owner(setting: Setting, run_id: str) -> WorkerProcess:
    """The worker that has the run, once one has."""
    pids = {worker.pid: worker for worker in setting.workers}

    def found() -> WorkerProcess | None:
        name = ask(setting, "SELECT worker FROM runs_run WHERE id = %s", run_id)
        return pids.get(int(name.split(":")[1])) if name else None

    return wait_for(found)


def ask(setting: Setting, question: str, *values: str) -> str:
    """One value of the database."""
    assert setting.postgres is not None
    with psycopg.connect(setting.postgres.url("chaos")) as connection:
        row = connection.execute(question, values).fetchone()
    return str(row[0]) if row and row[0] is not None else ""


def wait_for(look: Callable[[], T | None]) -> T:
    """Look until there is something."""
    for _ in range(600):
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    raise AssertionError("waited in vain")


def slow_agent(setting: Setting, name: str, seconds: float) -> str:
    """An agent whose one tool works for so long."""
    tool = setting.call("POST", "/v1/tools/", source_code=source(name, seconds))["id"]
    made = setting.call("POST", "/v1/agents/", model="openai/gpt-4.1", tool_ids=[tool])
    return str(made["id"])


def until_running(setting: Setting, run_id: str) -> None:
    """Wait until a call of the run runs."""
    question = "SELECT id FROM runs_toolcall WHERE run_id = %s AND state = 'running'"
    wait_for(lambda: ask(setting, question, run_id) or None)


def test_a_worker_that_was_frozen_writes_nothing_into_a_run_that_another_took(setting: Setting) -> None:
    frozen: list[WorkerProcess] = []

    def freeze() -> None:
        question = "SELECT count(*) FROM runs_toolcall WHERE state IN ('running', 'success') HAVING count(*) > %s"
        before = int(ask(setting, "SELECT count(*) FROM runs_toolcall"))
        wait_for(lambda: ask(setting, question, str(before - 4)) or None)
        run_id = ask(setting, "SELECT id FROM runs_run ORDER BY created_at DESC LIMIT 1")
        frozen.append(owner(setting, run_id))
        frozen[0].signal(signal.SIGSTOP)

    try:
        played = play_round(setting, make_tools(setting), 1000, freeze)
    finally:
        frozen[0].signal(signal.SIGCONT)
    wait_for(lambda: "taken for dead" in "\n".join(frozen[0].printed) or None)
    assert int(ask(setting, "SELECT epoch FROM runs_run WHERE id = %s", played.run_id)) >= 2
    assert judge(setting, [played]) == []


def test_a_worker_that_is_told_to_stop_finishes_what_it_can(setting: Setting) -> None:
    run_id = send(setting, slow_agent(setting, "brief", 2.0), "CALL brief")
    until_running(setting, run_id)
    worker = owner(setting, run_id)
    assert worker.stop() == 0
    status = ask(setting, "SELECT status || ' ' || stop_reason || ' ' || epoch FROM runs_run WHERE id = %s", run_id)
    worker.start()
    worker.wait_until_ready()
    assert status == "completed end_turn 1"


def test_a_worker_that_is_told_to_stop_hands_the_rest_over(setting: Setting) -> None:
    run_id = send(setting, slow_agent(setting, "endless", 300), "CALL endless\nFINAL Went on")
    until_running(setting, run_id)
    worker = owner(setting, run_id)
    assert worker.stop() == 0
    assert ask(setting, "SELECT count(*) FROM runs_workerlease") == "1"
    until_ended(setting, run_id)
    worker.start()
    worker.wait_until_ready()
    assert ask(setting, "SELECT state FROM runs_toolcall WHERE run_id = %s", run_id) == "interrupted"
    assert ask(setting, "SELECT stop_reason FROM runs_run WHERE id = %s", run_id) == "end_turn"


def test_a_cancel_reaches_the_worker_that_has_the_run_and_ends_its_processes(setting: Setting) -> None:
    agent = slow_agent(setting, "sleeper", 300)
    run_id = send(setting, agent, "CALL sleeper")
    until_running(setting, run_id)
    assert setting.call("POST", f"/v1/agents/{agent}/messages/cancel") == {run_id: "cancelled"}
    until_ended(setting, run_id)
    assert ask(setting, "SELECT state FROM runs_toolcall WHERE run_id = %s", run_id) == "cancelled"


def test_what_a_killed_worker_ran_dies_with_it(setting: Setting) -> None:
    run_id = send(setting, slow_agent(setting, "orphan", 300), "CALL orphan")
    until_running(setting, run_id)
    worker = owner(setting, run_id)
    below = descendants(worker.pid)
    assert below
    worker.kill()
    wait_for(lambda: True if not any(Path(f"/proc/{pid}").exists() for pid in below) else None)
    worker.start()
    worker.wait_until_ready()
    until_ended(setting, run_id)
    assert ask(setting, "SELECT state FROM runs_toolcall WHERE run_id = %s", run_id) == "interrupted"


def descendants(pid: int) -> set[int]:
    """The processes below this one."""
    children: dict[int, set[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has just ended
        children.setdefault(parent, set()).add(int(status.parent.name))
    found, ahead = set[int](), [pid]
    while ahead:
        below = children.get(ahead.pop(), set()) - found
        found |= below
        ahead.extend(below)
    return found


def test_a_worker_on_sqlite_says_what_it_needs(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "worker"],
        cwd=_ROOT,
        env=outside() | {"ADE_DATA_DIR": str(tmp_path), "DATABASE_URL": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "set DATABASE_URL to Postgres" in done.stderr
