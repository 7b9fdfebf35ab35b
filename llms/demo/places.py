"""Names of places in a message, as far as capital letters and small words tell."""

from __future__ import annotations

import re

PLACE_NAMES = frozenset(("city", "location", "place", "country", "region", "town", "address", "destination"))
"""Words of a parameter's name that ask for a place."""

_NAME = r"[A-ZÀ-Þ][\w'’-]+(?:\s+(?:(?:de|la|of|upon)\s+)?[A-ZÀ-Þ][\w'’-]+)*"
_PLACES = re.compile(
    rf"\b(?:in|at|for|near|from|to|of|between)\s+({_NAME}(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)(?:(?:in|for|at)\s+)?{_NAME})*)"
)
_BETWEEN_PLACES = re.compile(r"\s*,\s*(?:and\s+)?(?:(?:in|for|at)\s+)?|\s+and\s+(?:(?:in|for|at)\s+)?")


def find_places(text: str) -> tuple[str, ...]:
    """Names after "in", "at", "for" and the like, in their order: "in Paris, London and Rome" has three."""
    return tuple(name for found in _PLACES.findall(text) for name in _BETWEEN_PLACES.split(found))
