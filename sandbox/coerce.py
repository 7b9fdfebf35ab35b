"""JSON arguments into what a tool's annotations ask for. Runs inside the tool's process; standard library only."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import inspect
import types
import typing
import uuid
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

FROM_TEXT: Mapping[type, Callable[[str], Any]] = {
    datetime.datetime: datetime.datetime.fromisoformat,
    datetime.date: datetime.date.fromisoformat,
    datetime.time: datetime.time.fromisoformat,
    uuid.UUID: uuid.UUID,
    decimal.Decimal: decimal.Decimal,
    Path: Path,
    int: int,
    float: float,
    bool: lambda text: {"true": True, "false": False}[text.lower()],
    bytes: lambda text: text.encode(),
}
CONTAINERS: Mapping[type, Callable[[list[Any]], Any]] = {set: set, frozenset: frozenset, tuple: tuple}


class Record(dict[str, Any]):
    """A JSON object whose items can be read as attributes too. Changing it changes nothing outside the tool."""

    def __getattr__(self, name: str) -> Any:
        """The item of that name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def get_block(self, label: str) -> Any:
        """The memory block with this label; KeyError when there is none."""
        for block in self.get("blocks", ()):
            if block.get("label") == label:
                return block
        raise KeyError(f"there is no memory block {label!r}")


def to_record(value: Any) -> Any:
    """JSON with attribute access, all the way down."""
    if isinstance(value, Mapping):
        return Record({key: to_record(item) for key, item in value.items()})
    if isinstance(value, list):
        return [to_record(item) for item in value]
    return value


def bind(
    function: Callable[..., Any], arguments: Mapping[str, Any], injected: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments for the call. Missing ones are left to the function's defaults; one that may be
    None and has no default is None, since models may leave it out. `injected` are values for parameters that no model
    fills."""
    parameters = inspect.signature(function).parameters
    hints = _hints(function)
    given = {name: coerce(value, hints.get(name)) for name, value in arguments.items()}
    given = {name: None for name in parameters if _may_be_left_out(parameters[name], hints.get(name))} | given
    given |= {name: value for name, value in injected.items() if name in parameters}
    positional = []
    for name, parameter in parameters.items():
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and name in given:
            positional.append(given.pop(name))
    return positional, given


def coerce(value: Any, hint: Any) -> Any:
    """The value as the annotation wants it; as it is where the annotation says nothing we know."""
    if hint is None or hint is Any:
        return value
    origin = typing.get_origin(hint)
    if origin is not None:
        return _coerce_generic(value, origin, typing.get_args(hint))
    return _coerce_class(value, hint) if isinstance(hint, type) else value


def _may_be_left_out(parameter: inspect.Parameter, hint: Any) -> bool:
    if parameter.default is not parameter.empty or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return False
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return is_union and types.NoneType in typing.get_args(hint)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError, SyntaxError):
        return {}


def _coerce_class(value: Any, wanted: type) -> Any:
    validate = getattr(wanted, "model_validate", None)
    if validate is not None:
        return validate(value)
    if isinstance(value, wanted) and not (wanted is int and isinstance(value, bool)):
        return value
    if issubclass(wanted, Enum):
        return wanted(value)
    if dataclasses.is_dataclass(wanted) and isinstance(value, dict):
        hints = typing.get_type_hints(wanted)
        return wanted(**{name: coerce(item, hints.get(name)) for name, item in value.items()})
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list) and wanted in CONTAINERS:
        return CONTAINERS[wanted](value)
    return _from_text(value, wanted) if isinstance(value, str) else value


def _from_text(value: str, wanted: type) -> Any:
    convert = FROM_TEXT.get(wanted)
    if convert is None:
        return value
    try:
        return convert(value)
    except (ValueError, KeyError, ArithmeticError):
        return value


def _coerce_generic(value: Any, origin: Any, inner: tuple[Any, ...]) -> Any:
    if origin is typing.Annotated:
        return coerce(value, inner[0])
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(value, inner)
    if isinstance(value, list) and isinstance(origin, type) and inner:
        return _coerce_items(value, origin, inner)
    if isinstance(value, dict) and isinstance(origin, type) and issubclass(dict, origin) and len(inner) == 2:
        return {coerce(key, inner[0]): coerce(item, inner[1]) for key, item in value.items()}
    return value


def _coerce_items(value: list[Any], origin: type, inner: tuple[Any, ...]) -> Any:
    if origin is tuple and inner[-1] is not Ellipsis:
        items = [coerce(item, hint) for item, hint in zip(value, inner, strict=False)]
    else:
        items = [coerce(item, inner[0]) for item in value]
    return CONTAINERS.get(origin, list)(items)


def _coerce_union(value: Any, members: tuple[Any, ...]) -> Any:
    """The first member that takes the value; a value that is already of a member's class stays as it is."""
    classes = tuple(member for member in members if isinstance(member, type))
    if value is None or isinstance(value, classes):
        return value
    for member in members:
        try:
            converted = coerce(value, member)
        except (ValueError, TypeError):
            continue
        if converted is not value:
            return converted
    return value
