"""What can be wrong with a tool's source, said once for the API, the editor and the log."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class ProblemKind(Enum):
    """The step of reading that failed; the value introduces the message, in the words the Letta API uses."""

    PARSE = "Failed to parse source code: "
    SCHEMA = "Failed to derive json schema: Schema generation failed: "
    VALUE = "Failed to derive json schema: Schema generation failed: Value error in schema generation: "
    TYPE = "Failed to derive json schema: Schema generation failed: Type error in schema generation: "


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. Lines count from 1, columns from 0; both are None where no place can be named."""

    line: int | None
    message: str
    hint: str
    kind: ProblemKind = ProblemKind.VALUE
    column: int | None = None

    def __str__(self) -> str:
        place = "" if self.line is None else f" (line {self.line})"
        return f"{self.message}{place}. {self.hint}"


class SourceError(Exception):
    """The source does not make a tool. `problems` holds everything found, in the order of the lines; at least one."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line or 0, problem.column or 0)))
        super().__init__(self._text())

    @property
    def line(self) -> int | None:
        return self.problems[0].line

    @property
    def column(self) -> int | None:
        return self.problems[0].column

    def _text(self) -> str:
        first, *rest = self.problems
        others = "".join(f" Also: {problem}" for problem in rest)
        return f"{first.kind.value}{first}{others}"
