"""What in a tool's source may go wrong when its calls overlap. Advice beside the switch; it never forbids.

Found by reading the source, so it can miss what is hidden (a library that writes) and never proves a tool safe.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tools.call_effects import effects_of_call
from tools.effects import Effect, EffectKind
from tools.names import read_names
from tools.state_effects import effects_on_state


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One place in the source. `line` counts from 1; `text` is one plain sentence."""

    line: int
    kind: EffectKind
    text: str


def inspect_source(source: str) -> tuple[Finding, ...]:
    """The findings in the order of the lines, each once.

    A source that cannot be parsed gives none: reading its schema reports that, with the line.
    """
    try:
        module = ast.parse(source)
        placed = set(_placed_effects(module))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(sorted(Finding(line, effect.kind, effect.sentence) for line, effect in placed))


def _placed_effects(module: ast.Module) -> Iterator[tuple[int, Effect]]:
    names = read_names(module)
    yield from effects_on_state(module, names)
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, effect) for effect in effects_of_call(node, names))
