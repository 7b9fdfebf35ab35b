"""Full text search over one table's column: SQLite's FTS5 and Postgres' text search, each in its own words, the same
answer.

A row is found by any word of the query, inflected or not; the more and the rarer the words, the better its rank.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet

K = TypeVar("K", bound=Model)

# More words than a question has; a pasted document would make a slow query.
_MOST_WORDS = 64
_SQLITE_INDEX = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS {table}_words USING fts5(
        text, content='{table}', content_rowid='search_row', tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER IF NOT EXISTS {table}_added AFTER INSERT ON {table} BEGIN
        INSERT INTO {table}_words(rowid, text) VALUES (new.search_row, new.text); END""",
    """CREATE TRIGGER IF NOT EXISTS {table}_gone AFTER DELETE ON {table} BEGIN
        INSERT INTO {table}_words({table}_words, rowid, text) VALUES ('delete', old.search_row, old.text); END""",
    """CREATE TRIGGER IF NOT EXISTS {table}_changed AFTER UPDATE OF text ON {table} BEGIN
        INSERT INTO {table}_words({table}_words, rowid, text) VALUES ('delete', old.search_row, old.text);
        INSERT INTO {table}_words(rowid, text) VALUES (new.search_row, new.text); END""",
    "INSERT INTO {table}_words({table}_words) VALUES ('rebuild')",
)
_POSTGRES_INDEX = (
    "CREATE INDEX IF NOT EXISTS {table}_words ON {table} USING gin (to_tsvector('english', text))",
)  # fmt: skip
# {rows} is the query of what may be found. The plus keeps SQLite from asking the index once per row.
_ON_SQLITE = """
    SELECT found.id FROM {table}_words JOIN {table} AS found ON found.search_row = {table}_words.rowid
    WHERE {table}_words MATCH %s AND +found.id IN ({rows})
    ORDER BY {table}_words.rank, found.id LIMIT %s"""
_ON_POSTGRES = """
    SELECT found.id FROM {table} AS found, to_tsquery('english', %s) AS question
    WHERE to_tsvector('english', found.text) @@ question AND found.id IN ({rows})
    ORDER BY ts_rank_cd(to_tsvector('english', found.text), question, 1) DESC, found.id LIMIT %s"""


@dataclass(frozen=True, slots=True)
class TextIndex:
    """The index over a table with the columns `id`, `text` and, for SQLite, a unique whole number `search_row`."""

    table: str

    def install(self, schema_editor: Any) -> None:
        """Make the index, or make it anew, as a migration does."""
        is_postgres = schema_editor.connection.vendor == "postgresql"
        for statement in _POSTGRES_INDEX if is_postgres else _SQLITE_INDEX:
            schema_editor.execute(statement.format(table=self.table))

    def uninstall(self, schema_editor: Any) -> None:
        """Take the index away."""
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(f"DROP INDEX IF EXISTS {self.table}_words")
            return
        for name in ("added", "gone", "changed"):
            schema_editor.execute(f"DROP TRIGGER IF EXISTS {self.table}_{name}")
        schema_editor.execute(f"DROP TABLE IF EXISTS {self.table}_words")

    def matching(self, rows: QuerySet[K], query: str, limit: int) -> list[Any]:
        """The ids of those of the rows that have words of the query, best first, at most `limit`."""
        words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))[:_MOST_WORDS]
        if not words:
            return []
        sql, given = rows.order_by().values("pk").query.sql_with_params()
        if connection.vendor == "postgresql":
            statement, question = _ON_POSTGRES, " | ".join(f"'{word}'" for word in words)
        else:
            statement, question = _ON_SQLITE, " OR ".join(f'"{word}"' for word in words)
        with connection.cursor() as cursor:
            cursor.execute(statement.format(table=self.table, rows=sql), [question, *given, limit])
            return [row[0] for row in cursor.fetchall()]
