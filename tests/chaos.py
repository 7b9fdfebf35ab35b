"""Kills what executes runs, at random moments, and sees that nothing is lost and nothing that ended ran twice.

    python -m tests.chaos --rounds 100 --on sqlite|postgres --hits worker|postgres|redis

Each round starts a run of three batches with twelve calls; each call appends a line to a file outside when it begins and
when it is done. In the middle of it something is killed and started again. Then the run must complete and the agent
must take its next message. In the end every log is judged by tests.chaos_judge.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.private_servers import PrivatePostgres, PrivateRedis, postgres_and_redis
from tests.processes import WorkerProcess, one_server, server_and_workers
from tests.provider_fixtures import ProviderStub, provider_stub_process
from tests.server_fixtures import TandemServer

_ROOT = Path(__file__).parent.parent
_RUN_SECONDS = 120.0
_MESSAGE = "CALL write_note(n=1;file={0}),look_up(n=2;file={0})*2,write_note(n=3;file={0})\nROUNDS 3\nFINAL Done {0}"
_SOURCE = '''
import os
import time


def {name}(n: int, file: str) -> str:
    """Notes that it was here.

    Args:
        n: Which call.
        file: The file to append to.
    """
    with open("{directory}/" + file, "a") as notes:
        notes.write("begins\\n")
    time.sleep({seconds})
    with open("{directory}/" + file, "a") as notes:
        notes.write("is done\\n")
    return "noted"
'''


@dataclass
class Setting:
    """What runs, and what can be hit."""

    server: TandemServer
    notes: Path
    workers: list[WorkerProcess] = field(default_factory=list)
    postgres: PrivatePostgres | None = None
    redis: PrivateRedis | None = None

    def call(self, method: str, path: str, **body: Any) -> Any:
        """Ask the API."""
        headers = {"Authorization": f"Bearer {self.server.api_key}"}
        with httpx.Client(base_url=self.server.url, headers=headers, timeout=60, trust_env=False) as client:
            answer = client.request(method, path, json=body or None)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}\n" + "\n".join(
            self.server.printed[-80:]
        )
        return answer.json()


@dataclass(frozen=True)
class Round:
    """A run and the agent's next one; the file of its notes."""

    run_id: str
    next_id: str
    notes: str


def make_tools(setting: Setting) -> list[str]:
    """One tool that runs by itself and one that runs beside others; their ids."""
    ids = []
    for name, seconds, is_parallel in (("write_note", 0.05, False), ("look_up", 0.2, True)):
        source = _SOURCE.format(name=name, seconds=seconds, directory=setting.notes)
        made = setting.call("POST", "/v1/tools/", source_code=source, enable_parallel_execution=is_parallel)
        ids.append(made["id"])
    return ids


def play_round(setting: Setting, tools: list[str], number: int, hit: Callable[[], None]) -> Round:
    """One run, hit on the way, and the agent's next message."""
    agent = setting.call("POST", "/v1/agents/", model="openai/gpt-4.1", parallel_tool_calls=True, tool_ids=tools)["id"]
    notes = f"round-{number}-{secrets.token_hex(4)}"
    run_id = send(setting, agent, _MESSAGE.format(notes))
    hit()
    until_ended(setting, run_id)
    next_id = send(setting, agent, "FINAL Here I am")
    until_ended(setting, next_id)
    return Round(run_id, next_id, notes)


def send(setting: Setting, agent: str, text: str) -> str:
    """Send without waiting; the run's id."""
    run = setting.call("POST", f"/v1/agents/{agent}/messages/async", messages=[{"role": "user", "content": text}])
    return str(run["id"])


def until_ended(setting: Setting, run_id: str) -> float:
    """Wait until the run has ended; how long that took, in seconds."""
    began = time.monotonic()
    while time.monotonic() < began + _RUN_SECONDS:
        try:
            if setting.call("GET", f"/v1/runs/{run_id}")["status"] in ("completed", "failed", "cancelled"):
                return time.monotonic() - began
        except (httpx.HTTPError, AssertionError):
            pass  # the server or its database is away just now
        time.sleep(0.1)
    logs = [setting.server.printed, *(worker.printed for worker in setting.workers)]
    told = "\n\n".join("\n".join(lines[-40:]) for lines in logs)
    raise AssertionError(f"{run_id} did not end in {_RUN_SECONDS:g} s:\n{told}")


def kill_worker(setting: Setting) -> None:
    """kill -9 of one that executes runs, and its start anew."""
    if not setting.workers:
        setting.server.kill()
        setting.server.start()
        return
    worker = random.choice(setting.workers)
    worker.kill()
    worker.start()


def restart_postgres(setting: Setting) -> None:
    """Postgres away for a second and a half."""
    assert setting.postgres is not None
    setting.postgres.stop()
    time.sleep(1.5)
    setting.postgres.start()


def restart_redis(setting: Setting) -> None:
    """Redis away for a second and a half."""
    assert setting.redis is not None
    setting.redis.stop()
    time.sleep(1.5)
    setting.redis.start()


HITS: dict[str, Callable[[Setting], None]] = {
    "worker": kill_worker,
    "postgres": restart_postgres,
    "redis": restart_redis,
}


def run_chaos(setting: Setting, rounds: int, hits: str, seed: int) -> list[str]:
    """All rounds; what was wrong, as sentences."""
    tools = make_tools(setting)
    dice = random.Random(seed)
    began = time.monotonic()
    played = [play_round(setting, tools, 0, lambda: None)]
    usual = time.monotonic() - began
    for number in range(1, rounds + 1):
        wait = dice.uniform(0.0, usual)

        def hit(wait: float = wait) -> None:
            time.sleep(wait)
            HITS[hits](setting)

        began = time.monotonic()
        played.append(play_round(setting, tools, number, hit))
        took = time.monotonic() - began
        print(f"round {number}: {hits} hit after {wait:.2f} s, ended after {took:.1f} s", flush=True)
    return judge(setting, played)


def judge(setting: Setting, played: list[Round]) -> list[str]:
    """What the logs and the notes say."""
    asked = json.dumps([[one.run_id, one.next_id, _count(setting.notes / one.notes)] for one in played])
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos_judge"],
        cwd=_ROOT,
        env=setting.server.environ(),
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    if told["pauses"]:
        print(f"{len(told['pauses'])} takeovers, the longest pause {max(told['pauses']):.1f} s", flush=True)
    return list(told["wrong"])


def _count(notes: Path) -> dict[str, int]:
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {"begun": lines.count("begins"), "done": lines.count("is done")}


def set_up(stack: ExitStack, stub: ProviderStub, directory: Path, on: str) -> Setting:
    """Start everything; the stack stops it."""
    notes = directory / "notes"
    notes.mkdir()
    notes.chmod(0o777)  # whoever tools run as
    environment = {**stub.settings, "ADE_TOOL_PATHS": str(notes)}
    if on == "sqlite":
        return Setting(stack.enter_context(one_server(directory / "tandem", environment)), notes)
    postgres, redis = stack.enter_context(postgres_and_redis())
    environment |= {"DATABASE_URL": postgres.create_database("chaos"), "REDIS_URL": redis.url}
    server, workers = stack.enter_context(server_and_workers(directory / "tandem", environment))
    return Setting(server, notes, workers, postgres, redis)


def main() -> int:
    """Run from the command line; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--on", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--hits", choices=sorted(HITS), default="worker")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    print(f"chaos: {asked.rounds} rounds on {asked.on}, hitting {asked.hits}, seed {asked.seed}", flush=True)
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        Path(directory).chmod(0o755)
        stub = stack.enter_context(provider_stub_process())
        setting = set_up(stack, stub, Path(directory), asked.on)
        wrong = run_chaos(setting, asked.rounds, asked.hits, asked.seed)
        print("\n".join(wrong) or "nothing was lost and nothing ran twice", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
