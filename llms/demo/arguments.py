"""Arguments for a call of the demo model: drawn from the message where it says something, else made up, always valid for
the tool's JSON schema as far as it says what is valid."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from llms.demo.intent import Wish
from llms.demo.reading import Reading
from llms.demo.topics import Evidence, gather_evidence
from llms.demo.values import Schema, choose_value, make_valid, properties_of, resolve

_PART = re.compile(r"\s*(?:(?P<name>[A-Za-z_]\w*)\s*[=:]\s*)?(?P<value>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\[[^\]]*\]|\{[^}]*\}|[^,;]*)\s*(?:[,;]|$)")  # fmt: skip


def draw_arguments(wish: Wish, reading: Reading, others: tuple[Wish, ...]) -> dict[str, Any]:
    """The arguments of one wished call."""
    root = wish.tool.parameters
    written = _read_written(wish.written, root) if wish.written is not None else {}
    evidence = gather_evidence(wish, reading, others)
    return fill(root, evidence, written)


def fill(root: Schema, evidence: Evidence, written: Mapping[str, Any]) -> dict[str, Any]:
    """An object for the schema: what was written, what the message says, and something for all that is required."""
    required = set(root.get("required") or ())
    arguments: dict[str, Any] = dict(written)
    for name, schema in properties_of(root).items():
        if name in arguments:
            continue
        value = choose_value(name, schema, evidence, root, is_required=name in required)
        if value is not None or (name in required and _allows_null(schema, root)):
            arguments[name] = value
    for name in required - set(arguments):
        arguments[name] = make_valid(evidence.topic, {}, root)
    return arguments


def _allows_null(schema: Schema, root: Schema) -> bool:
    return resolve(schema, root).get("type") == "null"


def _read_written(text: str, root: Schema) -> dict[str, Any]:
    """`query="x", limit=3` as a mapping; values without a name go to the schema's properties in their order. Names that the
    schema does not have are kept: the tool's own check will say so."""
    names = list(properties_of(root))
    arguments: dict[str, Any] = {}
    for found in _PART.finditer(text.strip()):
        value = found["value"].strip()
        name = found["name"]
        if not name:
            if not value:
                continue
            free = [candidate for candidate in names if candidate not in arguments]
            if not free:
                continue
            name = free[0]
        arguments[name] = _read_value(value, resolve(properties_of(root).get(name, {}), root))
    return arguments


def _read_value(text: str, schema: Schema) -> Any:
    """A value as JSON or Python writes it, else the bare text; a bare 3 stays text for a parameter that wants text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError):
            continue
        is_text = schema.get("type") == "string" and not isinstance(value, str)
        return text if is_text else value
    return text
