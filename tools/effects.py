"""The kinds of side effect that matter when calls of a tool overlap, with the sentence that explains each."""

from dataclasses import dataclass
from enum import StrEnum


class EffectKind(StrEnum):
    """What the tool changes outside its own call."""

    FILES = "files"
    GLOBALS = "globals"
    ENVIRONMENT = "environment"
    DIRECTORY = "directory"
    PROCESS = "process"
    DATABASE = "database"
    NETWORK = "network"
    MEMORY = "memory"
    ORDER = "order"

    @property
    def risk(self) -> str:
        """What can happen, as the second half of a sentence."""
        return _RISKS[self]


_RISKS = {
    EffectKind.FILES: "calls that overlap can overwrite or remove each other's files",
    EffectKind.GLOBALS: "calls that overlap must not count on each other's change",
    EffectKind.ENVIRONMENT: "it holds for the whole process, so other code can see it change midway",
    EffectKind.DIRECTORY: "it holds for the whole process, so relative paths can change midway",
    EffectKind.PROCESS: "what that program changes can collide with another call",
    EffectKind.DATABASE: "calls that overlap can change the same rows in either order",
    EffectKind.NETWORK: "the other side may get the requests of overlapping calls in either order",
    EffectKind.MEMORY: "calls that overlap can change the same memory in either order",
    EffectKind.ORDER: "calls that overlap can get the same value",
}


@dataclass(frozen=True, slots=True)
class Effect:
    """`what` is the first half of the sentence: "Opens a file for writing"."""

    kind: EffectKind
    what: str

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.kind.risk}."
