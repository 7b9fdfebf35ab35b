"""A tool's return value as text. Runs inside the tool's process; standard library only."""

from __future__ import annotations

import dataclasses
import json
import math
from enum import Enum
from typing import Any

from .report import ReportKind


def described(value: Any) -> tuple[ReportKind, str]:
    """A str as it is, None as "None", anything else as JSON, and what is no JSON as str(value) says.

    NaN and the infinities become the strings "NaN", "Infinity", "-Infinity", so that the JSON stays valid; lone
    surrogates are escaped.
    """
    kind, text = _described(value)
    return kind, escape_surrogates(text)


def escape_surrogates(text: str) -> str:
    """The same text, with what UTF-8 cannot carry as a backslash escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _described(value: Any) -> tuple[ReportKind, str]:
    if isinstance(value, str):
        return ReportKind.TEXT, str(value)
    if value is None:
        return ReportKind.NOTHING, "None"
    try:
        return ReportKind.JSON, json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        return _odd_described(value)
    except TypeError:
        return ReportKind.TEXT, str(value)


def _odd_described(value: Any) -> tuple[ReportKind, str]:
    """For numbers that JSON has no word for, and for circular values."""
    if isinstance(value, float):
        return ReportKind.TEXT, _number_name(value)
    try:
        plain = _without_odd_numbers(value)
        return ReportKind.JSON, json.dumps(plain, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError, RecursionError):
        return ReportKind.TEXT, str(value)


def _without_odd_numbers(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else _number_name(value)
    if isinstance(value, dict):
        return {_without_odd_numbers(key): _without_odd_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_odd_numbers(item) for item in value]
    if value is None or isinstance(value, str | int):
        return value
    return _without_odd_numbers(_plain(value))


def _number_name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _plain(value: Any) -> Any:
    """What json.dumps asks for a value it does not know: something closer to JSON, in the end its str()."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)
