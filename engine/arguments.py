"""What the model wrote as arguments, checked before a call is planned (rule 2.3).

Pure: text and schema in, either the arguments or one message that tells the model what was wrong and where.
Nothing is fetched: a schema that points to another document is reported, not followed.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_CHARACTERS = 2_000_000
MAX_DEPTH = 100
LISTED_ERRORS = 5

_SHOWN_CHARACTERS = 120
_TRY_AGAIN = "The tool was not run. Call it again with corrected arguments."
_JSON_NAMES: Mapping[type, str] = {dict: "an object", list: "an array", bool: "a boolean", type(None): "null"}
_TYPE_PHRASES = {
    "object": "an object",
    "array": "an array",
    "integer": "an integer",
    "number": "a number",
    "string": "a string",
    "boolean": "true or false",
    "null": "null",
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Arguments that fit the schema, ready to be passed by name."""

    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ArgumentProblem:
    """Why the arguments cannot be used; `message` is written for the model that wrote them."""

    message: str


def check_arguments(raw_json: str, parameters_schema: Mapping[str, Any]) -> Arguments | ArgumentProblem:
    """Read `raw_json` and check it against a tool's `parameters` schema.

    The schema is read as JSON Schema 2020-12 unless its `$schema` names another draft. An empty text counts as `{}`, as providers send it for a tool without parameters. Where a parameter is not required,
    null counts as leaving it out if the schema has no null of its own. NaN and Infinity are read as Python reads them.
    """
    parsed = _parse(raw_json)
    if isinstance(parsed, ArgumentProblem):
        return parsed
    try:
        validator = _validator(json.dumps(parameters_schema))
        if validator.is_valid(parsed):
            return Arguments(parsed)
        tidied = _without_nulls(parsed, parameters_schema)
        errors = list(islice(validator.iter_errors(tidied), LISTED_ERRORS + 1))
    except (SchemaError, Unresolvable, re.error, RecursionError, ValueError, ArithmeticError, TypeError) as error:
        return ArgumentProblem(_schema_message(error))
    return ArgumentProblem(_mismatch_message(errors)) if errors else Arguments(tidied)


def _parse(raw_json: str) -> dict[str, Any] | ArgumentProblem:
    if len(raw_json) > MAX_CHARACTERS:
        size = f"The arguments have {len(raw_json):,} characters; at most {MAX_CHARACTERS:,} are accepted."
        return ArgumentProblem(f"{size} {_TRY_AGAIN}")
    if not raw_json.strip():
        return {}
    try:
        value = json.loads(raw_json)
    except json.JSONDecodeError as error:
        return ArgumentProblem(_malformed_message(raw_json, error))
    except RecursionError:
        return ArgumentProblem(_depth_message())
    except ValueError as error:  # an integer of more digits than Python converts
        return ArgumentProblem(f"The arguments cannot be read: {error}. {_TRY_AGAIN}")
    if not isinstance(value, dict):
        return ArgumentProblem(f"The arguments must be one JSON object, but they are {_described(value)}. {_TRY_AGAIN}")
    return ArgumentProblem(_depth_message()) if _is_too_deep(value) else value


def _is_too_deep(value: Any) -> bool:
    """True when objects and arrays lie more than MAX_DEPTH levels within each other; does not recurse itself."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: Any) -> list[Any]:
    inner = node.values() if isinstance(node, dict) else node
    return [child for child in inner if isinstance(child, dict | list)]


@lru_cache(maxsize=1024)
def _validator(schema_json: str) -> Validator:
    schema = json.loads(schema_json)
    dialect = validator_for(schema, default=Draft202012Validator)
    dialect.check_schema(schema)
    # An empty registry: the library's default would fetch foreign references over the network.
    return dialect(schema, registry=Registry())


def _without_nulls(value: Any, schema: Any) -> Any:
    """`value` without the nulls that stand for "not given": those of properties that are neither required nor nullable."""
    if not isinstance(schema, Mapping):
        return value
    if isinstance(value, list):
        return [_without_nulls(item, schema.get("items")) for item in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    required = schema.get("required", ())
    return {
        name: _without_nulls(item, properties.get(name))
        for name, item in value.items()
        if item is not None or name in required or not _is_plainly_typed(properties.get(name))
    }


def _is_plainly_typed(schema: Any) -> bool:
    return isinstance(schema, Mapping) and isinstance(schema.get("type"), str) and schema["type"] != "null"


def _mismatch_message(errors: list[ValidationError]) -> str:
    lines = list(dict.fromkeys(line for error in errors for line in _lines(error)))
    listed = "\n".join(f"- {line}" for line in lines[:LISTED_ERRORS])
    more = "\n- and more of the kind" if len(lines) > LISTED_ERRORS else ""
    return f"The arguments do not fit the tool's schema:\n{listed}{more}\n{_TRY_AGAIN}"


def _lines(error: ValidationError) -> Iterator[str]:
    place = _place(error)
    rule: Any = error.validator_value
    instance: Any = error.instance
    match error.validator:
        case "required":
            missing = [name for name in rule if name not in instance]
            yield from (f"{_joined(place, name)}: is required, but missing" for name in missing)
        case "type" if isinstance(error.schema, Mapping) and "enum" in error.schema:
            return  # the enum's own line says more
        case "type":
            allowed = [rule] if isinstance(rule, str) else rule
            wanted = " or ".join(_TYPE_PHRASES.get(name, name) for name in allowed)
            yield f"{place or 'arguments'}: must be {wanted}, but is {_described(instance)}"
        case "enum":
            choices = ", ".join(json.dumps(choice, ensure_ascii=False) for choice in rule)
            yield f"{place or 'arguments'}: must be one of {_cut(choices, 400)}, but is {_described(instance)}"
        case _:
            yield f"{place or 'arguments'}: {_cut(error.message, 300)}"


def _place(error: ValidationError) -> str:
    """Where in the arguments, as `filters.days[2]`; empty for the arguments as a whole."""
    place = ""
    for step in error.absolute_path:
        place = f"{place}[{step}]" if isinstance(step, int) else _joined(place, step)
    return _cut(place, _SHOWN_CHARACTERS)


def _joined(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _described(value: Any) -> str:
    """A value as the model knows it: its JSON kind, and for scalars the value itself, cut."""
    if type(value) in _JSON_NAMES and not isinstance(value, bool):
        return _JSON_NAMES[type(value)]
    kind = "the string" if isinstance(value, str) else "the boolean" if isinstance(value, bool) else "the number"
    return f"{kind} {_cut(json.dumps(value, ensure_ascii=False), _SHOWN_CHARACTERS)}"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"


def _malformed_message(raw_json: str, error: json.JSONDecodeError) -> str:
    start = max(0, error.pos - 40)
    near = json.dumps(raw_json[start : error.pos + 40], ensure_ascii=False)
    where = f"line {error.lineno}, column {error.colno} (character {error.pos} of {len(raw_json)})"
    return f"The arguments are not valid JSON: {error.msg} at {where}, near {near}. {_TRY_AGAIN}"


def _depth_message() -> str:
    return f"The arguments are nested more than {MAX_DEPTH} levels deep. {_TRY_AGAIN}"


def _schema_message(error: Exception) -> str:
    reason = error.message if isinstance(error, SchemaError) else str(error) or type(error).__name__
    return (
        f"The tool was not run: its own parameter schema cannot be applied to these arguments ({_cut(reason, 300)}). "
        "Repeating the call does not help; the tool's owner must correct the schema."
    )
