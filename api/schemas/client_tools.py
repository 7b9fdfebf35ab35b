"""Tools and skills that a client has itself, told with a request and good for its run."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from ninja import Schema
from pydantic import Field, field_validator


class ClientTool(Schema):
    """A tool that whoever sends the message runs; `parameters` is a JSON schema of an object."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    description: str | None = None
    parameters: dict[str, Any] | None = None

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
        if parameters is None:
            return None
        schema = {"type": "object", "properties": {}, **parameters}
        if schema["type"] != "object":
            raise ValueError('the parameters of a client tool are a JSON schema with "type": "object"')
        try:
            Draft202012Validator.check_schema(schema)
        except (SchemaError, RecursionError) as error:
            raise ValueError(f"the parameters are not a valid JSON schema: {str(error)[:200]}") from None
        return schema


class ClientSkill(Schema):
    """Something the client can do, told in the system prompt."""

    name: str
    description: str
    location: str
