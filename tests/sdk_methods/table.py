"""docs/sdk-methods.md: every method of the SDKs, and whether it works here."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from letta_client import Letta
from letta_client._resource import SyncAPIResource

from tests.sdk_methods.scenario import SCENARIO
from tests.sdk_methods.story import Told

PAGE = Path(__file__).parent.parent.parent / "docs" / "sdk-methods.md"
CLIENTS = ("Python", "Python, async", "TypeScript")
_HEAD = """# Methods of Letta's SDKs

Every method of `letta-client` 1.12.1 (Python, sync and async) and `@letta-ai/letta-client` 1.12.1 (TypeScript), called
against a running server. A test writes this page down; it fails where the page and the server differ. Methods that only
Letta's cloud has answer 501 and tell the client not to try again.

| Method | Python | Python, async | TypeScript |
| --- | --- | --- | --- |
"""


def sdk_methods() -> list[str]:
    """The dotted names of all methods of the installed SDK."""
    return ["health", *sorted(_methods_below(Letta(base_url="http://127.0.0.1", api_key="none"), ""))]


def _methods_below(owner: Any, prefix: str) -> Iterable[str]:
    for name, member in inspect.getmembers_static(type(owner)):
        if name.startswith(("_", "with_")):
            continue
        if isinstance(member, cached_property) and isinstance(child := getattr(owner, name), SyncAPIResource):
            yield from _methods_below(child, f"{prefix}{name}.")
        elif prefix and inspect.isfunction(member):
            yield f"{prefix}{name}"


def render(told: Mapping[str, Sequence[Told]]) -> str:
    """The page, from what each of CLIENTS has been told, by its name."""
    refused = {step.method for step in SCENARIO if step.refused}
    wrong = {(client, one.method) for client, ones in told.items() for one in ones if one.wrong}
    lines = []
    for method in sdk_methods():
        right = "cloud only" if method in refused else "works"
        cells = ("**fails**" if (client, method) in wrong else right for client in CLIENTS)
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    works = len(sdk_methods()) - len(refused)
    return f"{_HEAD}{chr(10).join(lines)}\n\n{works} work, {len(refused)} are the cloud's.\n"
