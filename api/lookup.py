"""Finding what a path names."""

from __future__ import annotations

import re
from typing import TypeVar

from django.db.models import Model, QuerySet

from api.errors import ApiProblem, invalid

M = TypeVar("M", bound=Model)

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def find(rows: QuerySet[M], key: str, noun: str, *, prefix: str = "") -> M:
    """The row with this id. Raises ApiProblem: 404, or 422 (400 for runs) where the id is not even formed like one.
    `prefix` is what the ids begin with, where that is not the noun."""
    row = rows.filter(pk=key).first()
    if row is not None:
        return row
    prefix = prefix or noun.lower()
    if re.fullmatch(f"{prefix}-{_UUID}", key):
        raise ApiProblem(404, f"{noun} not found with id '{key}'.")
    text = f"{key!r} is no {prefix} id; they look like '{prefix}-<uuid4>'."
    raise ApiProblem(400, text) if prefix == "run" else invalid(text)
