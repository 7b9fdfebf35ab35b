"""Whole turns through a running server: what they take over plain HTTP, the provider's own time taken off."""

from __future__ import annotations

import sys
from http.client import HTTPConnection
from json import dumps
from urllib.parse import urlsplit

from benchmarks.rig.dashboard import Dashboard, dashboard, provider
from benchmarks.rig.report import Figure, median_seconds, show

SOURCE = '''
def no_op() -> str:
    """Do nothing."""
    return "done"
'''
SLEEP_SOURCE = '''
import time


def nap(seconds: float) -> str:
    """Sleep.

    Args:
        seconds: For how long.
    """
    time.sleep(seconds)
    return "slept"
'''
NAP = "CALL nap(seconds=0.5)*16"


def provider_seconds(base_url: str) -> float:
    """What one streamed answer of the provider takes by itself."""
    where = urlsplit(base_url)
    connection = HTTPConnection(where.netloc, timeout=10)
    body = dumps({"model": "gpt-4.1", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})

    def once() -> None:
        connection.request("POST", f"{where.path}/chat/completions", body, {"Content-Type": "application/json"})
        connection.getresponse().read()

    return median_seconds(once, times=20)


def measure(server: Dashboard, own: float) -> list[Figure]:
    """The rows, in seconds; `own` is the provider's time for one answer, which a turn needs once or twice."""
    tools = [server.make_tool(source, parallel=True) for source in (SOURCE, SLEEP_SOURCE)]

    def turn(text: str, *, asks: int, times: int, parallel: bool = True) -> float:
        agent_id = server.make_agent(tools, parallel=parallel)
        return median_seconds(lambda: server.send(agent_id, text), times=times) - asks * own

    bare = turn("Hello", asks=1, times=15)
    one = turn("CALL no_op", asks=2, times=15)
    sixteen = turn("CALL no_op*16", asks=2, times=9)
    naps = turn(NAP, asks=2, times=3)
    naps_apart = turn(NAP, asks=2, times=1, parallel=False)
    return [
        Figure("a turn without tools", bare, "s", 0.03),
        Figure("one no-op call, turn included", one, "s", 0.05),
        Figure("16 no-op calls, parallel, turn included", sixteen, "s", 0.15),
        Figure("16 calls that sleep 0.5 s, parallel", naps, "s", 0.6),
        Figure("16 calls that sleep 0.5 s, one by one", naps_apart, "s", 8.3),
        Figure("parallel, times the ideal", naps / 0.5, "x"),
        Figure("one by one, times the ideal", naps_apart / 8.0, "x"),
    ]


def main() -> int:
    """Measure the rows."""
    with provider() as url:
        own = provider_seconds(url)
        with dashboard(url) as server:
            figures = measure(server, own)
    return 0 if show(f"Turns over HTTP, less {own * 1000:.1f} ms that the provider takes for an answer", figures) else 1


if __name__ == "__main__":
    sys.exit(main())
