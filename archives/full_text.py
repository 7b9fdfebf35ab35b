"""The full text index over all passages."""

from access.full_text import TextIndex

PASSAGES = TextIndex("archives_passage")
