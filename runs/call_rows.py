"""Changes of many calls' rows, gathered and written in few statements: a batch of 64 calls changes each of its rows
three times, and Django's `update()` costs more than the database."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from django.db import connection

from runs.models import ToolCall

_FIELDS = {field.attname: field for field in ToolCall._meta.concrete_fields}
_TABLE = ToolCall._meta.db_table


class CallRows:
    """Collects what changes in the rows of calls. `write` stores it; later values of a field win over earlier ones."""

    def __init__(self) -> None:
        self._changes: dict[str, dict[str, Any]] = {}

    def change(self, call_id: str, **values: Any) -> None:
        """Set these columns of one call, by attribute name."""
        self._changes.setdefault(call_id, {}).update(values)

    def write(self) -> None:
        """Store all changes, in the caller's transaction."""
        changes, self._changes = self._changes, {}
        by_columns = sorted(changes.items(), key=lambda item: tuple(item[1]))
        for columns, group in groupby(by_columns, key=lambda item: tuple(item[1])):
            _update(columns, dict(group))


def _update(columns: tuple[str, ...], changes: Mapping[str, Mapping[str, Any]]) -> None:
    quote = connection.ops.quote_name
    assignments = ", ".join(f"{quote(_FIELDS[column].column or column)} = %s" for column in columns)
    # Only names of our own model's columns are put into the statement; the values are parameters.
    statement = f"UPDATE {quote(_TABLE)} SET {assignments} WHERE {quote('id')} = %s"  # noqa: S608
    rows = [
        [*(_FIELDS[column].get_db_prep_save(values[column], connection) for column in columns), call_id]
        for call_id, values in changes.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(statement, rows)
