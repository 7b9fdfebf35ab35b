"""A call's arguments on their way back to a provider, which insists on a JSON object."""

from __future__ import annotations

import json
from typing import Any


def as_object(arguments: str) -> dict[str, Any]:
    """The arguments as an object. What is none, because the model wrote malformed JSON, is wrapped so that the model
    still sees what it wrote beside the error return."""
    try:
        value = json.loads(arguments or "{}")
    except ValueError:
        value = arguments
    return value if isinstance(value, dict) else {"malformed_arguments": value}


def as_object_text(arguments: str) -> str:
    """The same as JSON text; well-formed arguments pass through unchanged."""
    value = as_object(arguments)
    return json.dumps(value) if "malformed_arguments" in value or not arguments else arguments
