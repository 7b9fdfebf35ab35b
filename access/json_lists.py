"""Questions about JSON lists of texts, such as tags, that both SQLite and Postgres answer."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from django.db.models import JSONField, Lookup, Q

if TYPE_CHECKING:
    TextLookup = Lookup[str]
else:
    TextLookup = Lookup


@JSONField.register_lookup
class Holds(TextLookup):
    """`tags__holds="a"`: the list has this text in it."""

    lookup_name = "holds"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        column, given = self.process_lhs(compiler, connection)
        if connection.vendor == "postgresql":
            return f"{column} @> %s::jsonb", (*given, json.dumps([self.rhs]))
        # `column` is what Django made of the field; the text itself is a parameter.
        found = f"EXISTS (SELECT 1 FROM json_each({column}) WHERE json_each.value = %s)"  # noqa: S608
        return found, (*given, self.rhs)


def holding(field: str, texts: Iterable[str], *, every: bool = False) -> Q:
    """The list in this field has any of the texts in it, or every one. Without texts everything fits."""
    parts = [Q(**{f"{field}__holds": text}) for text in texts]
    return reduce(and_ if every else or_, parts) if parts else Q()
