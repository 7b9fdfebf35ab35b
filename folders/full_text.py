"""The full text index over the pieces of all files."""

from access.full_text import TextIndex

PIECES = TextIndex("folders_piece")
