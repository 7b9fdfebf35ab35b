"""Eight calls that each wait until all eight have started, and the same eight calls one by one with the switch off."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.rig.dashboard import Dashboard, dashboard, provider
from benchmarks.rig.report import Figure, show

CALLS = 8
SOURCE = '''
import json
import os
import time
import uuid


def meet(directory: str, wait_for: int) -> str:
    """Say that I am here, wait until so many are here, work for a moment, and tell from when to when that was.

    Args:
        directory: Where everybody says so.
        wait_for: How many must have come.
    """
    began = time.monotonic()
    open(os.path.join(directory, uuid.uuid4().hex), "w").close()
    while len(os.listdir(directory)) < wait_for:
        time.sleep(0.005)
    time.sleep(0.2)
    return json.dumps([began, time.monotonic()])
'''


def most_at_once(spans: Sequence[tuple[float, float]]) -> int:
    """How many of these spans of time overlap at most."""
    edges = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    running = most = 0
    for _, change in edges:
        running += change
        most = max(most, running)
    return most


def measure(server: Dashboard, agent_id: str, directory: Path, *, wait_for: int) -> tuple[float, int]:
    """Wall seconds of the turn, and how many calls ran at once."""
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)  # tools may run as another user
    message = f"CALL meet(directory={directory};wait_for={wait_for})*{CALLS}"
    began = time.perf_counter()
    returns = server.send(agent_id, message)
    seconds = time.perf_counter() - began
    spans = [span_of(part) for part in returns]
    if len(spans) != CALLS:
        raise RuntimeError(f"{len(spans)} of {CALLS} calls returned")
    return seconds, most_at_once(spans)


def span_of(part: dict[str, Any]) -> tuple[float, float]:
    """When a call began and ended, on the machine's clock."""
    began, ended = json.loads(part["tool_return"])
    return float(began), float(ended)


def main() -> int:
    """Measure both and say whether what must hold does."""
    with tempfile.TemporaryDirectory(prefix="tandem-meeting-") as folder, provider() as url:
        base = Path(folder)
        base.chmod(0o777)
        with dashboard(url, ADE_TOOL_PATHS=folder) as server:
            tool_id = server.make_tool(SOURCE, parallel=True)
            on = server.make_agent([tool_id], parallel=True)
            off = server.make_agent([tool_id], parallel=False)
            measure(server, on, base / "warm", wait_for=1)
            together, most_on = measure(server, on, base / "on", wait_for=CALLS)
            apart, most_off = measure(server, off, base / "off", wait_for=1)
    figures = [
        Figure("parallel tool calls on: wall time of the turn", together, "s", goal=apart / 2),
        Figure("off: wall time of the same calls", apart, "s"),
        Figure("off: how many ran at once", most_off, "", goal=1),
        Figure("on: how many did not run at once", CALLS - most_on, "", goal=0),
        Figure("time saved", apart - together, "s"),
    ]
    is_met = show(f"{CALLS} calls; with the switch on each waits until all have started", figures)
    print(f"  {apart / together:.1f} times as fast together")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
