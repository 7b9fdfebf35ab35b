"""A tool's way to the server's API: no network, no address, and nothing of it after the call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from pytest_django import Settings

from sandbox.forkserver import ForkServerSandbox
from sandbox.gateway import MOST_OF_A_CALL
from sandbox.lending import CLIENT
from sandbox.specs import Network, Outcome, SandboxCall, ServerAccess
from tests.sandboxes import LEVELS, call_of, eventually
from tools.client_access import access_for, asks_for_access, asks_for_client


class Answer(BaseHTTPRequestHandler):
    """Tells what it was asked, and counts who is connected."""

    protocol_version = "HTTP/1.1"
    connected: ClassVar[set[object]] = set()

    def setup(self) -> None:
        super().setup()
        self.connected.add(self.client_address)

    def finish(self) -> None:
        super().finish()
        self.connected.discard(self.client_address)

    def do_GET(self) -> None:
        body = f'{{"status": "{self.path}", "version": "{self.headers["Authorization"]}"}}'.encode() + b" " * 300_000
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Not to stderr."""


@pytest.fixture(scope="module")
def access() -> Iterator[ServerAccess]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield ServerAccess("127.0.0.1", server.server_address[1], "the-token")
    server.shutdown()


@pytest_asyncio.fixture(params=LEVELS, scope="module", loop_scope="module")
async def box(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ForkServerSandbox]:
    scratch = tmp_path_factory.mktemp("scratch")
    scratch.chmod(0o711)
    box = ForkServerSandbox(guards=LEVELS[request.param], preload=CLIENT, scratch_root=scratch)
    await box.start()
    yield box
    await box.close()


def asking(source: str, access: ServerAccess | None, **arguments: Any) -> SandboxCall:
    return replace(call_of(source, **arguments), server=access, wants_client=True, agent_id="agent-1")


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("network", [Network.OFF, Network.WEB])
async def test_a_client_reaches_the_server_whatever_the_network_setting(
    box: ForkServerSandbox, access: ServerAccess, network: Network
) -> None:
    source = """
def tool(client, agent_id):
    told = client.health()
    return [told.status, told.version, agent_id]
"""
    result = await box.run(replace(asking(source, access), network=network))

    assert result.text == '["/v1/health/", "Bearer the-token", "agent-1"]', result


async def test_the_name_is_there_without_a_parameter_and_threads_may_share_it(
    box: ForkServerSandbox, access: ServerAccess
) -> None:
    source = """
from concurrent.futures import ThreadPoolExecutor
def tool():
    with ThreadPoolExecutor(40) as pool:
        return len(list(pool.map(lambda _: client.health(), range(40))))
"""
    assert (await box.run(asking(source, access))).text == "40"
    assert await eventually(lambda: not Answer.connected), "connections outlived their call"


async def test_connections_beyond_the_limit_are_refused(box: ForkServerSandbox, access: ServerAccess) -> None:
    source = """
import socket
def tool(port):
    held = []
    try:
        while len(held) < 200:
            held.append(socket.create_connection(("127.0.0.1", port)))
    except ConnectionRefusedError:
        return len(held)
"""
    assert (await box.run(asking(source, access, port=access.port))).text == str(MOST_OF_A_CALL)
    good = "def tool(client): return client.health().status"
    assert (await box.run(asking(good, access))).text == "/v1/health/"


async def test_clients_that_a_tool_makes_itself_and_plain_http_reach_it_too(
    box: ForkServerSandbox, access: ServerAccess
) -> None:
    source = """
import os, urllib.request
from letta_client import Letta
def tool():
    with urllib.request.urlopen(os.environ["LETTA_BASE_URL"] + "/plain") as answer:
        return [Letta().health().version, answer.status]
"""
    environment = {"LETTA_BASE_URL": access.url, "LETTA_API_KEY": access.token}
    result = await box.run(replace(asking(source, access), environment=environment))

    assert result.text == '["Bearer the-token", 200]', result


async def test_the_way_leads_to_the_server_and_nowhere_else(box: ForkServerSandbox, access: ServerAccess) -> None:
    other = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    source = "import socket\ndef tool(port): return socket.create_connection(('127.0.0.1', port), 5)"
    try:
        result = await box.run(asking(source, access, port=other.server_address[1]))
    finally:
        other.server_close()

    assert result.outcome is Outcome.ERROR
    assert "PermissionError" in result.text, result


async def test_a_tool_without_access_has_no_way_and_is_told_so(box: ForkServerSandbox, access: ServerAccess) -> None:
    use = "def tool(client): return client.agents.list()"
    look = "import os\ndef tool(client): return [bool(client), len(os.listdir('/proc/self/fd'))]"

    assert "attach the tool to an agent" in (await box.run(asking(use, None))).text
    # Its three streams, and the directory that it lists.
    assert (await box.run(asking(look, None))).text == "[false, 4]"


async def test_a_server_that_is_down_is_an_error_of_the_tool(box: ForkServerSandbox) -> None:
    source = "def tool(client): return client.with_options(max_retries=0).health()"
    result = await box.run(asking(source, ServerAccess("127.0.0.1", 1, "t")))

    assert (result.outcome, "APIConnectionError" in result.text) == (Outcome.ERROR, True), result


async def test_abuse_of_the_way_ends_with_the_call(box: ForkServerSandbox, access: ServerAccess) -> None:
    """It asks without listening, sends nonsense and descriptors, and leaves a daemon that holds on to everything."""
    source = """
import os, socket, time
def tool():
    switch = next(s for s in map(int, os.listdir("/proc/self/fd")) if s > 2 and is_switch(s))
    switch = socket.socket(fileno=switch)
    switch.setblocking(False)
    for n in range(200):
        try:
            socket.send_fds(switch, [b"x" * 1000], [0, 1, 2])
        except OSError:
            break
    if os.fork() == 0:
        os.setsid()
        time.sleep(100)
    return "done"

def is_switch(fd):
    try:
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    except OSError:
        return False
"""
    assert (await box.run(asking(source, access))).text == "done"
    assert await eventually(lambda: not Answer.connected)
    good = "def tool(client): return client.health().status"
    assert (await box.run(asking(good, access))).text == "/v1/health/"


async def test_a_tool_that_asks_without_end_does_not_keep_the_server_from_others(
    box: ForkServerSandbox, access: ServerAccess
) -> None:
    flood = """
import os, socket
def tool():
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if fd > 2 and os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                switch = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
    print("begins", flush=True)
    switch.setblocking(False)
    while True:
        try:
            switch.send(b"?")
        except BlockingIOError:
            pass
        try:
            switch.recv(16)
        except BlockingIOError:
            pass
"""
    begun = asyncio.Event()
    flooding = asyncio.create_task(box.run(asking(flood, access), lambda *_: begun.set()))
    await begun.wait()
    good = "def tool(client): return client.health().status"
    assert (await box.run(asking(good, access))).text == "/v1/health/"
    assert not flooding.done()
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)


async def test_a_call_that_is_cancelled_closes_its_connections(box: ForkServerSandbox, access: ServerAccess) -> None:
    source = """
import socket, time
def tool(port):
    connection = socket.create_connection(("127.0.0.1", port))
    print("connected", flush=True)
    time.sleep(100)
"""
    connected = asyncio.Event()
    call = asking(source, access, port=access.port)
    task = asyncio.create_task(box.run(call, lambda *_: connected.set()))
    await connected.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert await eventually(lambda: not Answer.connected)


@pytest.mark.parametrize(
    ("source", "client", "token"),
    [
        ("def tool(client, n: int): pass", True, True),
        ("def tool(n: int): return client.agents.list()", True, True),
        ("def tool(n: int):\n    client = connect()\n    return client", False, False),
        ("from db import client\ndef tool(): return client", False, False),
        ("import httpx as client\ndef tool(): return client", False, False),
        ("def helper(client): pass\ndef tool(): return helper(1)", False, False),
        ("def tool(): return 'the client'", False, False),
        ("import os\ndef tool(): return os.environ['LETTA_API_KEY']", False, True),
        ("from letta_client import Letta\ndef tool(): return Letta()", False, True),
        ("def tool(n: int): return n", False, False),
        ("def tool(: client", False, False),
    ],
)
async def test_only_tools_that_ask_are_given_a_way(source: str, client: bool, token: bool) -> None:
    assert asks_for_client(source, "python") is client
    assert asks_for_access(source, "python") is token


@pytest.mark.parametrize(
    ("host", "given", "url"),
    [
        ("127.0.0.1", "", "http://127.0.0.1:8283"),
        ("0.0.0.0", "", "http://127.0.0.1:8283"),
        ("::", "", "http://[::1]:8283"),
        ("10.0.0.5", "", "http://10.0.0.5:8283"),
        ("127.0.0.1", "http://web:9000", "http://web:9000"),
        ("127.0.0.1", "https://agents.example.org", "https://agents.example.org:443"),
    ],
)
async def test_tools_reach_their_own_server_or_the_one_that_is_named(
    settings: Settings, host: str, given: str, url: str
) -> None:
    settings.ADE_HOST, settings.ADE_PORT, settings.ADE_API_URL = host, 8283, given
    assert access_for("t").url == url


async def test_typescript_asks_by_the_variables(tmp_path: Path) -> None:
    assert not asks_for_access("export function tool(client: string) {}", "typescript")
    assert asks_for_access("export function tool() { return process.env.LETTA_API_KEY }", "typescript")
