"""The arguments form of the Test tab: fields from a tool's schema, and the JSON text that a model would have sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_KINDS = {"string": "text", "integer": "number", "number": "number"}


@dataclass(frozen=True, slots=True)
class ArgumentField:
    """One parameter as a field. `kind` is text, number, choice or json; `choices` are (JSON text, label)."""

    name: str
    kind: str
    type_name: str
    help: str
    is_required: bool
    choices: tuple[tuple[str, str], ...] = ()
    value: str = ""

    @property
    def key(self) -> str:
        """Its name in the posted form; apart from the form's own fields."""
        return f"arg:{self.name}"


def fields_of(parameters: Mapping[str, Any], posted: Mapping[str, Any]) -> list[ArgumentField]:
    """The fields of a tool's `parameters` schema, filled with what was posted, else with the schema's defaults."""
    properties: Mapping[str, Any] = parameters.get("properties") or {}
    required = parameters.get("required") or ()
    return [_field(name, properties[name], name in required, posted) for name in properties]


def arguments_text(fields: list[ArgumentField]) -> str:
    """The filled fields as the text of one JSON object, unchecked: what is no JSON stays as it was typed."""
    parts = [f"{json.dumps(field.name)}: {_json_of(field)}" for field in fields if field.value or _must_be_sent(field)]
    return "{" + ", ".join(parts) + "}"


def _field(name: str, schema: Mapping[str, Any], is_required: bool, posted: Mapping[str, Any]) -> ArgumentField:
    kind, choices = _kind(schema)
    field = ArgumentField(
        name=name,
        kind=kind,
        type_name=_type_name(schema),
        help=str(schema.get("description") or ""),
        is_required=is_required,
        choices=choices,
    )
    value = posted.get(field.key, _default(schema, kind) if not posted else "")
    return ArgumentField(**{**_as_dict(field), "value": str(value)})


def _as_dict(field: ArgumentField) -> dict[str, Any]:
    return {name: getattr(field, name) for name in ArgumentField.__slots__}


def _kind(schema: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    if schema.get("enum"):
        return "choice", tuple((json.dumps(option), str(option)) for option in schema["enum"])
    if schema.get("type") == "boolean":
        return "choice", (("true", "true"), ("false", "false"))
    kind = schema.get("type")
    return (_KINDS.get(kind, "json") if isinstance(kind, str) else "json"), ()


def _type_name(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type") or "any"
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    inner = (schema.get("items") or {}).get("type") if kind == "array" else None
    return f"array of {inner}" if inner else name


def _default(schema: Mapping[str, Any], kind: str) -> str:
    if "default" not in schema or schema["default"] is None:
        return ""
    return str(schema["default"]) if kind == "text" else json.dumps(schema["default"])


def _must_be_sent(field: ArgumentField) -> bool:
    """An empty text is a text: a required one is sent, an optional one is left out."""
    return field.is_required and field.kind == "text"


def _json_of(field: ArgumentField) -> str:
    if field.kind == "text":
        return json.dumps(field.value)
    if field.kind == "number" and not _is_number(field.value):
        return json.dumps(field.value)
    return field.value


def _is_number(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return text.strip() not in ("true", "false", "null") and text.strip()[:1] not in ('"', "[", "{")
