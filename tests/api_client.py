"""Talking to /v1/ in tests through Django's client, with a key."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from access.keys import first_person, make_api_key

Json = dict[str, Any]


class Api:
    """`api.get("/agents/")` gives the decoded body; any other status than `status` fails the test."""

    def __init__(self) -> None:
        self._client = Client(headers={"Authorization": f"Bearer {make_api_key(first_person(), 'tests')}"})

    def get(self, path: str, *, status: int = 200) -> Any:
        return self._send("GET", path, None, status)

    def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return self._send("POST", path, body, status)

    def put(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return self._send("PUT", path, body, status)

    def patch(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return self._send("PATCH", path, body, status)

    def delete(self, path: str, *, status: int = 200) -> Any:
        return self._send("DELETE", path, None, status)

    def upload(self, path: str, *, status: int = 200, **fields: Any) -> Any:
        """A multipart form."""
        answer = self._client.post(f"/v1{path}", fields)
        assert answer.status_code == status, answer.content
        return answer.json()

    def make_agent(self, **fields: Any) -> Json:
        """An agent of the demo model."""
        agent: Json = self.post("/agents/", {"model": "demo/planner", "include_base_tools": False, **fields})
        return agent

    def make_tool(self, name: str, **fields: Any) -> Json:
        """A tool without parameters."""
        source = f'def {name}() -> str:\n    """Does it."""\n    return ""\n'
        tool: Json = self.post("/tools/", {"source_code": source, **fields})
        return tool

    def _send(self, method: str, path: str, body: Any, status: int) -> Any:
        sent = "" if body is None else json.dumps(body)
        answer = self._client.generic(method, f"/v1{path}", sent, "application/json")
        assert answer.status_code == status, answer.content
        return answer.json()
