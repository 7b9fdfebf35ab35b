"""Why archival memory cannot be as it was asked for."""

from __future__ import annotations


class ArchiveProblem(ValueError):
    """An archive or a passage that cannot be so. The text is for a person."""


class UnknownEmbedding(ArchiveProblem):
    """The embedding model's handle names none that Tandem can ask."""
