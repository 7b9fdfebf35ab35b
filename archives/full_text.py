"""Full text search over passages: SQLite's FTS5 and Postgres' text search, each in its own words, the same answer.

A passage is found by any word of the query, inflected or not; the more and the rarer the words, the better its rank.
"""

from __future__ import annotations

import re
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from archives.models import Passage

# More words than a question has; a pasted document would make a slow query.
_MOST_WORDS = 64
_SQLITE_INDEX = (
    """CREATE VIRTUAL TABLE IF NOT EXISTS archives_passage_text USING fts5(
        text, content='archives_passage', content_rowid='search_row', tokenize='porter unicode61 remove_diacritics 2')""",
    """CREATE TRIGGER IF NOT EXISTS archives_passage_added AFTER INSERT ON archives_passage BEGIN
        INSERT INTO archives_passage_text(rowid, text) VALUES (new.search_row, new.text); END""",
    """CREATE TRIGGER IF NOT EXISTS archives_passage_gone AFTER DELETE ON archives_passage BEGIN
        INSERT INTO archives_passage_text(archives_passage_text, rowid, text)
        VALUES ('delete', old.search_row, old.text); END""",
    """CREATE TRIGGER IF NOT EXISTS archives_passage_changed AFTER UPDATE OF text ON archives_passage BEGIN
        INSERT INTO archives_passage_text(archives_passage_text, rowid, text)
        VALUES ('delete', old.search_row, old.text);
        INSERT INTO archives_passage_text(rowid, text) VALUES (new.search_row, new.text); END""",
    "INSERT INTO archives_passage_text(archives_passage_text) VALUES ('rebuild')",
)
_POSTGRES_INDEX = (
    "CREATE INDEX IF NOT EXISTS archives_passage_words ON archives_passage USING gin (to_tsvector('english', text))",
)
# {passages} is the query of what may be found. The plus keeps SQLite from asking the index once per passage.
_ON_SQLITE = """
    SELECT passage.id FROM archives_passage_text JOIN archives_passage AS passage
        ON passage.search_row = archives_passage_text.rowid
    WHERE archives_passage_text MATCH %s AND +passage.id IN ({passages})
    ORDER BY archives_passage_text.rank, passage.id LIMIT %s"""
_ON_POSTGRES = """
    SELECT passage.id FROM archives_passage AS passage, to_tsquery('english', %s) AS question
    WHERE to_tsvector('english', passage.text) @@ question AND passage.id IN ({passages})
    ORDER BY ts_rank_cd(to_tsvector('english', passage.text), question, 1) DESC, passage.id LIMIT %s"""


def install(schema_editor: Any) -> None:
    """Make the index, or make it anew, as a migration does."""
    for statement in _POSTGRES_INDEX if schema_editor.connection.vendor == "postgresql" else _SQLITE_INDEX:
        schema_editor.execute(statement)


def uninstall(schema_editor: Any) -> None:
    """Take the index away."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX IF EXISTS archives_passage_words")
        return
    for name in ("added", "gone", "changed"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS archives_passage_{name}")
    schema_editor.execute("DROP TABLE IF EXISTS archives_passage_text")


def matching(passages: QuerySet[Passage], query: str, limit: int) -> list[str]:
    """The ids of those of the passages that have words of the query, best first, at most `limit`."""
    words = list(dict.fromkeys(re.findall(r"\w+", query.lower())))[:_MOST_WORDS]
    if not words:
        return []
    sql, given = passages.order_by().values("pk").query.sql_with_params()
    if connection.vendor == "postgresql":
        statement, question = _ON_POSTGRES, " | ".join(f"'{word}'" for word in words)
    else:
        statement, question = _ON_SQLITE, " OR ".join(f'"{word}"' for word in words)
    with connection.cursor() as cursor:
        cursor.execute(statement.format(passages=sql), [question, *given, limit])
        return [row[0] for row in cursor.fetchall()]
