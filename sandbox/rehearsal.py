"""Runs a tool of our own the way a call does, in the fork server, before anything is forked from it.

The interpreter has then specialised this code and filled its caches. A child need not write to those pages, so the
kernel need not copy them: that is a good part of what a call costs.
"""

from __future__ import annotations

import json
import linecache
import os
import resource
import sys
from collections.abc import Mapping
from typing import Any

from . import landlock, linux
from .runner import FILE, MODULE, outcome_of

ROUNDS = 20
NOTHING_INJECTED: Mapping[str, Any] = {
    "agent_state": None,
    "agent_id": "",
    "parameters": [],
    "server": None,
    "wants_client": False,
}
SOURCE = """
def tool(n: int, name: str = "x") -> dict:
    return {"n": n, "name": name}
"""


def rehearse() -> None:
    """Everything that leaves no trace in this process, often enough to be specialised."""
    for _ in range(ROUNDS):
        perform()
        linux.prctl(linux.PR_SET_DUMPABLE, 0)
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if landlock.abi() > 0:
            rules = landlock.Ruleset(files=True)
            rules.allow_paths(["/proc/self"], landlock.READ_ONLY)
            os.close(rules.fd)


def perform() -> None:
    """Run our own tool once."""
    call = {"source": SOURCE, "function": "tool", "arguments": {"n": 1}, **NOTHING_INJECTED}
    outcome_of(json.loads(json.dumps(call)))
    del sys.modules[MODULE], linecache.cache[FILE]
