"""A tool's JSON schema from a schema of its arguments that was written elsewhere, such as a pydantic model's."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tools.problems import Problem, SourceError


def schema_from_args(name: str, description: str, args_json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """{"name", "description", "parameters"} with `args_json_schema` as the parameters.

    Raises SourceError when it is not a valid JSON schema of an object.
    """
    parameters = {"type": "object", "properties": {}, "required": [], **args_json_schema}
    if parameters["type"] != "object":
        message = f"args_json_schema describes {parameters['type']!r}, not an object"
        raise SourceError([Problem(None, message, 'Its "type" must be "object", with the parameters as "properties".')])
    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        place = "".join(f"[{step!r}]" for step in error.absolute_path)
        message = f"args_json_schema{place} is not a valid JSON schema: {error.message[:300]}"
        raise SourceError([Problem(None, message, "Correct it as JSON Schema 2020-12 asks.")]) from None
    return {"name": name, "description": description, "parameters": parameters}
