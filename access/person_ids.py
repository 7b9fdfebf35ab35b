"""People's ids as Letta writes them: "user-" and a UUID, in which our number stands."""

from __future__ import annotations

import re

# Letta's first user is this UUID with twelve zeros.
_PREFIX = "user-00000000-0000-4000-8000-"


def person_id(number: int | None) -> str | None:
    """The id of the person with this primary key; None for nobody."""
    return None if number is None else f"{_PREFIX}{number:012x}"


def person_number(text: str) -> int | None:
    """The primary key that such an id stands for; None where it is nobody's."""
    digits = text.removeprefix(_PREFIX)
    return int(digits, 16) if digits != text and re.fullmatch("[0-9a-f]{12}", digits) else None
