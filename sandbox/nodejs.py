"""Runs one TypeScript tool: Node.js as a child of the tool's process, which is already confined and waits for its report.

What is different from Python: Node.js reserves far more address space than it uses, so its heap is limited by a flag and
the supervisor watches the memory that the call really uses.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import struct
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from .report import ReportKind, ReportMemory

HARNESS = Path(__file__).parent / "node"
NOT_INSTALLED = "TypeScript tools need Node.js 18 or newer, and there is no node on the server's PATH"
ABORTED = (
    "Node.js aborted before the function returned, most often because the tool asked for more memory than it may have; "
    "its stderr says more"
)
WORD_BYTES = 16
HEAD = struct.Struct(">BI")
HEAP_SHARE = 0.75
PIECE = 1 << 16


def find_node() -> str:
    """The path of Node.js, or ""."""
    found = shutil.which("node")
    return str(Path(found).resolve()) if found else ""


@cache
def node_flags(node: str) -> tuple[str, ...]:
    """What this Node.js has to be told: older ones import packages that are ES modules only when asked to."""
    flags = ("--experimental-require-module",)
    tried = subprocess.run([node, *flags, "-e", "0"], check=False, capture_output=True) if node else None
    return flags if tried and tried.returncode == 0 else ()


def node_places(node: str) -> list[str]:
    """What a TypeScript tool has to read besides what every tool may."""
    return [str(HARNESS), node] if node else []


def run_node_tool(call: Mapping[str, Any], memory: ReportMemory, node: Sequence[str]) -> NoReturn:
    """Call the function, leave the report and end the process. Never returns."""
    if not node:
        _tell_error(call, memory, NOT_INSTALLED)
    ours, theirs = os.pipe()
    word = os.urandom(WORD_BYTES)
    process = _start(call, node, theirs, word)
    os.close(theirs)
    report = _hear(ours, process, word)
    if report is not None:
        memory.write(*report)
        os._exit(0)
    code = process.wait()
    if code == -signal.SIGABRT:
        _tell_error(call, memory, ABORTED)
    _end_alike(code)


def _start(call: Mapping[str, Any], node: Sequence[str], report_fd: int, word: bytes) -> subprocess.Popen[bytes]:
    heap = int(call["limits"]["memory_bytes"] * HEAP_SHARE) >> 20
    asked = {
        name: call[name]
        for name in ("source", "function", "arguments", "agent_state", "agent_id", "parameters", "node_modules")
    }
    message = json.dumps({"word": word.hex(), "fd": report_fd, "call": asked}).encode()
    process = subprocess.Popen(
        [*node, f"--max-old-space-size={heap}", "--no-warnings", str(HARNESS / "run_tool.cjs")],
        stdin=subprocess.PIPE,
        pass_fds=[report_fd],
    )
    assert process.stdin is not None  # asked for above
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(message)
    return process


def _hear(fd: int, process: subprocess.Popen[bytes], word: bytes) -> tuple[ReportKind, bytes] | None:
    """The report, or None when the process ended without one. Children of the tool may hold the pipe open for longer."""
    received = bytearray()
    ended = os.pidfd_open(process.pid)
    poll = select.poll()
    for one in (fd, ended):
        poll.register(one, select.POLLIN)
    while True:
        ready = {one for one, _ in poll.poll()}
        piece = os.read(fd, PIECE) if fd in ready else b""
        received += piece
        if report := _read_report(received, word):
            return report
        if not piece and (ended in ready or fd in ready):
            return None


def _read_report(received: bytearray, word: bytes) -> tuple[ReportKind, bytes] | None:
    start = len(word) + HEAD.size
    if len(received) < start or received[: len(word)] != word:
        return None
    kind, length = HEAD.unpack_from(received, len(word))
    whole = len(received) >= start + length
    return (ReportKind(kind), bytes(received[start : start + length])) if whole else None


def _tell_error(call: Mapping[str, Any], memory: ReportMemory, why: str) -> NoReturn:
    memory.write(ReportKind.RAISED, f"Error executing function {call['function']}: {why}".encode())
    os._exit(0)


def _end_alike(code: int) -> NoReturn:
    """Our own end tells the supervisor how Node.js ended."""
    if code < 0:
        with suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(max(code, 0))
