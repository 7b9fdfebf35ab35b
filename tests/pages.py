"""Actors of the page tests: a signed-in browser, a tool, an agent, and what the security policy forbids."""

from __future__ import annotations

import json
import re
from typing import Any

from django.test import Client

from access.activity import Actor
from access.models import Activity, Person
from agents.models import Agent
from agents.roster import create_agent
from tools.library import create_tool
from tools.models import Tool

COUNT_WORDS = '''def {name}(text: str, least: int = 1, loud: bool = False, kinds: list[str] | None = None) -> int:
    """Count words.

    Args:
        text: Where to count.
        least: From how many letters on.
        loud: Whether to print them.
        kinds: Only these.
    """
    if loud:
        print(text)
    return len([word for word in text.split() if len(word) >= least])
'''
_FORBIDDEN = re.compile(
    r"<[^>]*\s(style=|on[a-z]+=\"|hx-on)|<style|<script(?![^>]*\bsrc=)[^>]*>(?!\s*</script>)|javascript:", re.IGNORECASE
)


def seed_actor() -> Actor:
    return Actor(None, "test")


def a_tool(name: str = "count_words", **fields: Any) -> Tool:
    return create_tool(seed_actor(), source_code=COUNT_WORDS.format(name=name), fields=fields)


def an_agent(name: str = "Librarian", *tools: Tool, **fields: Any) -> Agent:
    given = {"name": name, "model": "demo/planner", **fields}
    return create_agent(seed_actor(), fields=given, tool_ids=[tool.pk for tool in tools])


def signed_in() -> Client:
    person, _ = Person.objects.get_or_create(username="nadia", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(person)
    return client


def htmx(target: str = "", current: str = "http://testserver/") -> dict[str, str]:
    """The headers of a request that htmx makes."""
    headers = {"HX-Request": "true", "HX-Current-URL": current}
    return headers | ({"HX-Target": target} if target else {})


def text_of(response: Any) -> str:
    return str(response.content.decode())


def toast_of(response: Any) -> dict[str, Any]:
    """The toast that an answer brings."""
    news: dict[str, Any] = json.loads(response["HX-Trigger"])
    toast: dict[str, Any] = news["toast"]
    return toast


def forbidden_in(html: str) -> list[str]:
    """Inline styles, handlers and scripts: what the content security policy would refuse."""
    return [match.group(0)[:80] for match in _FORBIDDEN.finditer(html)]


def logged(target: Tool | Agent, verb: str = "changed") -> list[dict[str, Any]]:
    """What the activity log says that nadia changed of this row, latest first."""
    lines = Activity.objects.filter(target_id=target.pk, verb=verb, person__username="nadia")
    return [line.changes for line in lines]
