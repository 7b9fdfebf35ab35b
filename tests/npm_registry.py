"""A registry of npm on this machine: packages of the tests as tarballs, and nobody else is asked."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PACKAGES: dict[str, dict[str, dict[str, str]]] = {
    "lantern": {
        "1.0.0": {"index.js": "exports.colour = () => 'red'"},
        "2.0.0": {"index.js": "exports.colour = () => require('@tests/paint').mix('green')"},
    },
    "@tests/paint": {"1.5.0": {"index.js": "exports.mix = (one) => one"}},
    "modern": {"1.0.0": {"index.js": "export const year = 2025; export default () => 'new'"}},
    "spy": {"1.0.0": {"index.js": "exports.spied = () => require('fs').existsSync(__dirname + '/was-here')"}},
}
MANIFESTS: dict[str, dict[str, Any]] = {
    "lantern@2.0.0": {"dependencies": {"@tests/paint": "^1.0.0"}},
    "modern@1.0.0": {"type": "module", "exports": "./index.js"},
    "spy@1.0.0": {"scripts": {"postinstall": "touch was-here"}},
}


def _tarball(name: str, version: str) -> bytes:
    manifest = {"name": name, "version": version, "main": "index.js", **MANIFESTS.get(f"{name}@{version}", {})}
    files = {**PACKAGES[name][version], "package.json": json.dumps(manifest)}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()


TARBALLS = {(name, version): _tarball(name, version) for name in PACKAGES for version in PACKAGES[name]}


class Registry(BaseHTTPRequestHandler):
    """Answers what npm asks."""

    def do_GET(self) -> None:
        path = self.path.lstrip("/").replace("%2f", "/")
        if path in PACKAGES:
            self._send(json.dumps(self._about(path)).encode())
        elif path.endswith(".tgz"):
            name, _, version = path.removesuffix(".tgz").rpartition("--")
            self._send(TARBALLS[name, version])
        else:
            self.send_error(404)

    def _about(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "dist-tags": {"latest": max(PACKAGES[name])},
            "versions": {version: self._version(name, version) for version in PACKAGES[name]},
        }

    def _version(self, name: str, version: str) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha512(TARBALLS[name, version]).digest()).decode()
        where = f"http://{self.headers['Host']}/{name}--{version}.tgz"
        manifest = MANIFESTS.get(f"{name}@{version}", {})
        return {
            "name": name,
            "version": version,
            **manifest,
            "dist": {"tarball": where, "integrity": f"sha512-{digest}"},
        }

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Not to stderr."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The only place where npm looks."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_address[1]}/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    server.shutdown()
    server.server_close()
