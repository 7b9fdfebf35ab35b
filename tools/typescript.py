"""Tools written in TypeScript: their schema is given, not derived, so it is checked against the source as far as that goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tools.problems import Problem, SourceError

PYTHON, TYPESCRIPT = "python", "typescript"
_NAME = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,127}")


def schema_of(source: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """{"name", "description", "parameters"} of such a tool. Raises SourceError that says what is missing."""
    name, parameters = given.get("name"), given.get("parameters")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _refusal("A TypeScript tool needs a json_schema with the name of its function", "json_schema.name")
    if not isinstance(parameters, Mapping) or not isinstance(parameters.get("properties", {}), Mapping):
        raise _refusal(
            "A TypeScript tool needs a json_schema with the parameters of its function", "json_schema.parameters"
        )
    if not re.search(rf"\b(function\s*\*?\s+|const\s+|let\s+|var\s+|as\s+){re.escape(name)}(?![\w$])", source):
        raise _refusal(f"The source defines no function {name}", f"export async function {name}(…)")
    whole = {"type": "object", "properties": {}, **parameters}
    return {"name": name, "description": str(given.get("description") or ""), "parameters": whole}


def _refusal(message: str, hint: str) -> SourceError:
    return SourceError((Problem(None, message, hint),))
