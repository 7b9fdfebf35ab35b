"""A small MCP server, for real: `python mcp_server.py TRANSPORT DIRECTORY [PORT] [--legacy] [--token TOKEN]`.

Its tools leave files in DIRECTORY, so that tests know what has happened. With --legacy it knows nothing of the newest
protocol, like most servers there are. A file "second" in DIRECTORY when it starts gives it another list of tools.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ToolAnnotations

PNG = bytes.fromhex("89504e470d0a1a0a")


def make(directory: Path) -> MCPServer:
    """The server with its tools."""
    server = MCPServer("tiny")
    here: list[int] = []
    all_here = asyncio.Event()

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int = 2) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def meet(n: int, most: int) -> str:
        """Return once `most` calls are here at the same time."""
        here.append(n)
        if len(here) == most:
            all_here.set()
        await all_here.wait()
        return f"met {n}"

    @server.tool(annotations=ToolAnnotations(destructive_hint=True))
    async def hang(ctx: Context[Any, Any], name: str = "one") -> str:
        """Report progress and never return."""
        await ctx.report_progress(1, 3, f"{name} has begun")
        (directory / f"{name}.began").touch()
        try:
            await anyio.sleep_forever()
        finally:
            (directory / f"{name}.cancelled").touch()
        return "never"

    @server.tool(annotations=ToolAnnotations(idempotent_hint=True, destructive_hint=False))
    def fail(why: str) -> str:
        """Fail."""
        raise ToolError(why)

    @server.tool()
    def die() -> str:
        """End the whole server in the middle of the call."""
        (directory / "died").touch()
        print("the last words", file=sys.stderr, flush=True)
        os._exit(3)

    @server.tool()
    def picture() -> Image:
        """A picture."""
        return Image(data=PNG, format="png")

    @server.tool(name="env.of")
    def env_of(name: str) -> dict[str, str | None]:
        """A variable of this process."""
        return {"value": os.environ.get(name)}

    if (directory / "second").exists():
        for name in ("picture", "fail"):
            server.remove_tool(name)

        @server.tool()
        def newcomer() -> str:
            """New in the second list."""
            return "new"

    return server


class Doors:
    """Refuses requests without the token, and in legacy mode the newest protocol's first question."""

    def __init__(self, app: Any, token: str, is_legacy: bool, directory: Path) -> None:
        self._app, self._token, self._is_legacy, self._directory = app, token, is_legacy, directory

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if self._token and headers.get("authorization") != f"Bearer {self._token}":
            await self._refuse(send, 401, "no entry with this token")
            return
        if (self._directory / "broken").exists() and scope["method"] == "POST":
            await self._refuse(send, 500, "out of order")
            return
        message = await receive()
        if self._is_legacy and b"server/discover" in message.get("body", b""):
            await self._refuse(send, 400, "what is that?")
            return
        again = [message]

        async def replay() -> Any:
            return again.pop() if again else await receive()

        await self._app(scope, replay, send)

    async def _refuse(self, send: Any, status: int, text: str) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": text.encode()})


def serve_http(server: MCPServer, transport: str, port: int, token: str, is_legacy: bool, directory: Path) -> None:
    """Serve until killed."""
    import uvicorn

    app = server.sse_app() if transport == "sse" else server.streamable_http_app()
    guarded = Doors(app, token, is_legacy, directory)
    uvicorn.run(guarded, host="127.0.0.1", port=port, log_level="warning", lifespan="on", timeout_graceful_shutdown=0)


def serve_old_stdio(directory: Path) -> None:
    """A server of the first protocol, written out: what it hears is noted in heard.txt."""
    for line in sys.stdin:
        asked = json.loads(line)
        with (directory / "heard.txt").open("a") as heard:
            heard.write(asked["method"] + "\n")
        if "id" not in asked:
            continue
        if asked["method"] == "tools/call" and asked["params"]["name"] == "hang":
            (directory / "old.began").touch()
            continue
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
        schema = {"type": "object", "properties": {}}
        match asked["method"]:
            case "initialize":
                info = {"name": "old", "version": "1"}
                answer["result"] = {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": info}
            case "tools/list":
                answer["result"] = {
                    "tools": [{"name": name, "inputSchema": schema} for name in ("hang", "quick", "odd")]
                }
            case "tools/call" if asked["params"]["name"] == "quick":
                answer["result"] = {"content": [{"type": "text", "text": "quick"}]}
            case "tools/call":
                answer["error"] = {"code": -32000, "message": "too many requests"}
            case _:
                answer["error"] = {"code": -32601, "message": "Method not found"}
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("transport", choices=["stdio", "old-stdio", "sse", "streamable_http"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--legacy", action="store_true")
    parser.add_argument("--token", default="")
    given = parser.parse_args()
    (given.directory / "pid").write_text(str(os.getpid()))
    if given.transport == "old-stdio":
        serve_old_stdio(given.directory)
    elif given.transport == "stdio":
        make(given.directory).run("stdio")
    else:
        serve_http(make(given.directory), given.transport, given.port, given.token, given.legacy, given.directory)


if __name__ == "__main__":
    main()
