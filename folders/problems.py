"""Why folders and files cannot be as they were asked for."""

from __future__ import annotations


class FolderProblem(ValueError):
    """A folder, a file or an attachment that cannot be so. The text is for a person."""


class NameInUse(FolderProblem):
    """Another folder, or another file of the folder, has this name."""


class UnreadableKind(FolderProblem):
    """A kind of file that no text is read from."""


class TooLarge(FolderProblem):
    """A file of more bytes than are taken."""


class NotReady(FolderProblem):
    """A file whose text is not there, yet or at all."""
