"""One value for one parameter: by what its name asks for, then by its type, then bent until the schema takes it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from llms.demo.places import PLACE_NAMES
from llms.demo.topics import Evidence
from llms.demo.words import split_name

Schema = Mapping[str, Any]

_MESSAGE_NAMES = frozenset(
    ["message", "text", "body", "content", "note", "msg", "comment", "announcement", "reply", "memo", "description"]
)
_PERSON_NAMES = frozenset(["to", "recipient", "recipients", "user", "person", "channel", "receiver"])
_COUNT_NAMES = frozenset(
    ["limit", "count", "n", "num", "number", "max", "top", "k", "size", "amount", "results", "times", "page"]
)
_EXPRESSION = re.compile(r"[-+]?[\d(][\d\s.()+*/%^-]*[\d)]")
_COUNTED = re.compile(r"\b(\d+)\s+(?:results|hits|pages|entries|records|matches|items)\b", re.IGNORECASE)
_FORMATS: Mapping[str, str] = {
    "email": "demo@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
    "time": "12:00:00Z",
    "duration": "PT1H",
}
_FOUND_BY_FORMAT: Mapping[str, str] = {
    "email": r"[\w.+-]+@[\w-]+\.[\w.]*\w",
    "uri": r"https?://[^\s\"'<>)]*[^\s\"'<>).,;!?]",
    "date": r"\b\d{4}-\d{2}-\d{2}\b",
    "path": r"(?<![\w:/])(?:~?/)?(?:[\w.-]+/)*[\w-]+\.[A-Za-z]\w{0,5}\b",
}
_DEPTH = 12


def resolve(schema: Schema, root: Schema, depth: int = 0) -> Schema:
    """The schema itself behind references, and the first choice that is not null."""
    if depth > _DEPTH:
        return {}
    if isinstance(reference := schema.get("$ref"), str):
        found: Any = root
        for key in reference.removeprefix("#/").split("/"):
            found = found.get(key, {}) if isinstance(found, Mapping) else {}
        return resolve(found, root, depth + 1)
    for word in ("anyOf", "oneOf", "allOf"):
        if choices := schema.get(word):
            resolved = [resolve(choice, root, depth + 1) for choice in choices]
            own = {key: value for key, value in schema.items() if key != word}
            if word == "allOf":
                return {key: value for part in (*resolved, own) for key, value in part.items()}
            usable = [choice for choice in resolved if choice.get("type") != "null"] or resolved
            return {**own, **usable[0]}
    if isinstance(kinds := schema.get("type"), list):
        usable_kinds = [kind for kind in kinds if kind != "null"] or ["null"]
        return {**schema, "type": usable_kinds[0]}
    return schema


def properties_of(root: Schema) -> Mapping[str, Schema]:
    """The parameters of a tool."""
    return root.get("properties") or {}


def choose_value(name: str, schema: Schema, evidence: Evidence, root: Schema, *, is_required: bool) -> Any:
    """A value for this parameter, or None when the message says nothing and nothing is required."""
    schema = resolve(schema, root)
    named = _find_named(name, schema, evidence)
    value = named if named is not None else _find_fitting(name, schema, evidence, is_required=is_required)
    if value is None:
        if not is_required:
            return None
        value = schema.get("default")
    return make_valid(value if value is not None else _fallback(name, evidence), schema, root)


def make_valid(value: Any, schema: Schema, root: Schema, depth: int = 0) -> Any:
    """The value bent until the schema takes it: right type, within its bounds, one of its choices."""
    schema = resolve(schema, root)
    if "const" in schema:
        return schema["const"]
    if choices := schema.get("enum"):
        return value if value in choices else choices[0]
    match schema.get("type") or _guess_type(schema):
        case "integer":
            return _bound(round(_as_number(value)), schema, is_whole=True)
        case "number":
            return _bound(_as_number(value), schema, is_whole=False)
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() in ("true", "yes", "on", "1")
        case "array":
            return _as_list(value, schema, root, depth)
        case "object":
            return _as_object(value, schema, root, depth)
        case "null":
            return None
        case "string":
            return _as_text(value, schema)
        case _:
            return value


def _guess_type(schema: Schema) -> str:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else ""


def _find_named(name: str, schema: Schema, evidence: Evidence) -> Any:
    """A value that the message gives by the parameter's own name: "limit 3", "limit=3", "limit of 3", "verbose: yes"."""
    words = r"[\s_-]*".join(re.escape(word) for word in split_name(name))
    if not words:
        return None
    quoted = r"\"[^\"]*\"|'[^']*'"
    is_text = schema.get("type") == "string" and "enum" not in schema
    bare = r"=\s*[\w./@+-]+|:\s*[^.;\n]+" if is_text else r"[=:]\s*[\w./@+-]+"
    strict = re.search(rf"\b{words}\s*([=:]\s*(?:{quoted})|{bare})", evidence.text, re.IGNORECASE)
    if strict:
        return strict[1].lstrip("=: ").strip("\"' ")
    if schema.get("type") in ("integer", "number"):
        number = r"(-?\d+(?:\.\d+)?)"
        loose = re.search(rf"\b{words}\s+(?:of\s+|is\s+|to\s+)?{number}|{number}\s+{words}\b", evidence.text, re.I)
        return (loose[1] or loose[2]) if loose else None
    if schema.get("type") == "boolean":
        mention = re.search(rf"(\b(?:not|no|without|don't)\s+)?\b{words}\b", evidence.text, re.IGNORECASE)
        return None if mention is None else not mention[1]
    return None


def _find_fitting(name: str, schema: Schema, evidence: Evidence, *, is_required: bool) -> Any:
    """A value in the message that is of the kind that the parameter's name and type ask for."""
    words = frozenset(split_name(name))
    if choices := schema.get("enum"):
        return _find_choice(choices, evidence)
    match schema.get("type"):
        case "integer" | "number":
            return _find_number(words, schema, evidence, is_required=is_required)
        case "array":
            return _find_items(schema, evidence)
        case "string" | None if schema.get("type") or not _guess_type(schema):
            return _find_text(words, schema, evidence)
        case _:
            return None


def _find_choice(choices: list[Any], evidence: Evidence) -> Any:
    for text in (evidence.clause, evidence.text):
        mentioned = [
            (found.start(), choice)
            for choice in choices
            if (found := re.search(rf"(?<!\w){re.escape(str(choice))}(?!\w)", text, re.IGNORECASE))
        ]
        if mentioned:
            return min(mentioned, key=lambda pair: pair[0])[1]
    return None


def _find_number(words: frozenset[str], schema: Schema, evidence: Evidence, *, is_required: bool) -> float | str | None:
    """The first number of the message that fits; an optional parameter gets one only if it counts something ("3 results")."""
    if not is_required:
        counted = _COUNTED.search(evidence.clause)
        return counted[1] if counted and words & _COUNT_NAMES else None
    order = {"b": 1, "y": 1, "second": 1, "divisor": 1, "to": 1, "end": 1, "right": 1, "c": 2, "z": 2}
    place = max((order.get(word, 0) for word in words), default=0)
    fits = [number for number in evidence.numbers if _is_within(number, schema)]
    if len(fits) <= place:
        return None
    return fits[place]


def _find_items(schema: Schema, evidence: Evidence) -> list[Any] | None:
    kind = (schema.get("items") or {}).get("type")
    if kind in ("integer", "number"):
        return list(evidence.numbers) or None
    if evidence.quotations:
        return list(evidence.quotations)
    parts = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", evidence.topic) if evidence.has_topic else []
    return [part for part in parts if part] or None


def _find_text(words: frozenset[str], schema: Schema, evidence: Evidence) -> str | None:
    kind = str(schema.get("format") or "")
    by_name = {"email": "email", "mail": "email", "url": "uri", "uri": "uri", "link": "uri", "date": "date", "day": "date",
               "path": "path", "file": "path", "filename": "path"}  # fmt: skip
    kind = kind if kind in _FOUND_BY_FORMAT else next((by_name[word] for word in words if word in by_name), kind)
    if kind in _FOUND_BY_FORMAT:
        found = re.search(_FOUND_BY_FORMAT[kind], evidence.text)
        return found.group() if found else None
    if kind:
        return None
    if words & {"expression", "formula", "calculation", "equation"}:
        found = _EXPRESSION.search(evidence.clause) or _EXPRESSION.search(evidence.text)
        return found.group().strip() if found else None
    if words & PLACE_NAMES:
        return evidence.place or (evidence.topic if evidence.has_topic else None)
    if words & _PERSON_NAMES:
        return evidence.recipient or None
    if words & _MESSAGE_NAMES:
        return evidence.said if evidence.has_said else (evidence.topic if evidence.has_topic else None)
    return evidence.topic if evidence.has_topic else None


def _fallback(name: str, evidence: Evidence) -> str:
    words = frozenset(split_name(name))
    if words & _PERSON_NAMES:
        return "everyone"
    return evidence.said if words & _MESSAGE_NAMES else evidence.topic


def _as_number(value: Any) -> float:
    if isinstance(value, bool) or value is None:
        return float(bool(value))
    try:
        return float(value)
    except (TypeError, ValueError):
        return 1.0


def _is_within(number: float, schema: Schema) -> bool:
    whole = schema.get("type") != "integer" or number == int(number)
    return whole and _bound(number, schema, is_whole=False) == number


def _bound(number: float, schema: Schema, *, is_whole: bool) -> float | int:
    """The nearest number that keeps to minimum, maximum, their exclusive forms and multipleOf."""
    gap = 1 if is_whole else 1e-6
    lowest = max(_limits(schema, "minimum", 0.0) + _limits(schema, "exclusiveMinimum", gap), default=None)
    highest = min(_limits(schema, "maximum", 0.0) + _limits(schema, "exclusiveMaximum", -gap), default=None)
    if highest is not None:
        number = min(number, highest)
    if lowest is not None:
        number = max(number, lowest)
    if step := schema.get("multipleOf"):
        number = round(number / step) * step
        number += step if lowest is not None and number < lowest else 0
        number -= step if highest is not None and number > highest else 0
    is_integer = is_whole or number == int(number)
    return int(number) if is_integer else number


def _limits(schema: Schema, word: str, gap: float) -> list[float]:
    value = schema.get(word)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return [float(value) + gap] if is_number and value is not None else []


def _as_text(value: Any, schema: Schema) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    kind = schema.get("format")
    if kind in ("date", "date-time"):
        text = _as_date(text, str(kind))
    elif kind in _FORMATS and not re.fullmatch(_FOUND_BY_FORMAT.get(str(kind), r"(?!)"), text):
        text = _FORMATS[str(kind)]
    text = text.ljust(int(schema.get("minLength") or 0), ".")
    longest = schema.get("maxLength")
    return text[: int(longest)] if longest is not None else text


def _as_date(text: str, kind: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime(2000, 1, 1, tzinfo=UTC)  # Always the same: this model does not know what day it is.
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.date().isoformat() if kind == "date" else aware.isoformat()


def _as_list(value: Any, schema: Schema, root: Schema, depth: int) -> list[Any]:
    if depth > _DEPTH:
        return []
    items = list(value) if isinstance(value, list | tuple) else [] if value is None else [value]
    least, most = int(schema.get("minItems") or 0), schema.get("maxItems")
    while len(items) < least:
        items.append(items[-1] if items and not schema.get("uniqueItems") else len(items))
    items = items[: int(most)] if most is not None else items
    kind = schema.get("items")
    return [make_valid(item, kind, root, depth + 1) for item in items] if isinstance(kind, Mapping) else items


def _as_object(value: Any, schema: Schema, root: Schema, depth: int) -> dict[str, Any]:
    found = dict(value) if isinstance(value, Mapping) else {}
    if depth > _DEPTH:
        return found
    for name in schema.get("required") or ():
        part = properties_of(schema).get(name, {})
        given = found.get(name, resolve(part, root).get("default"))
        found[name] = make_valid(given if given is not None else value, part, root, depth + 1)
    return found
