"""The OpenAPI page: what ninja reads from the routes, and the refusals that every route can answer with."""

from __future__ import annotations

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

# The refusals of api.errors and api.middleware, any of which may meet any request.
REFUSALS = {
    400: "The request breaks a rule; `detail` says which and what to do",
    401: "No valid key was sent",
    403: "The key may not do this",
    404: "There is nothing of this id",
    409: "It cannot be done as things stand, for example while calls wait for approval",
    413: "The body is too large",
    415: "No text can be read from a file of this kind",
    422: "The request has not the shape that is asked for",
    405: "The path knows other methods",
    501: "Only Letta's cloud has this",
    503: "The database is out of reach; try again",
}
_PROBLEM = {
    "type": "object",
    "properties": {"detail": {"description": "What was wrong, and what to do; an object where there is more to say"}},
}


class DocumentedAPI(NinjaAPI):
    """A NinjaAPI whose page names the refusals too."""

    def get_openapi_schema(self, *args: Any, **kwargs: Any) -> OpenAPISchema:
        """The schema, with every operation's refusals beside its answers."""
        schema = super().get_openapi_schema(*args, **kwargs)
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        refusals = {
            status: {
                "description": what,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            for status, what in REFUSALS.items()
        }
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"] = {**refusals, **operation["responses"]}
        return schema
