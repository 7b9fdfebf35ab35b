"""Changing a row: only what is given, checked, and with what it was before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Field, Model


def assign(row: Model, given: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Set the given fields on the row, unsaved, and return {field: [before, after]} of those that really changed.

    None for a field that cannot be null means that it was not given: the API's clients send both.
    """
    changes: dict[str, list[Any]] = {}
    for name, value in given.items():
        field = row._meta.get_field(name)
        assert isinstance(field, Field)
        before = getattr(row, name)
        if (value is None and not field.null) or value == before:
            continue
        setattr(row, name, value)
        changes[name] = [before, value]
    return changes


def save_changes(row: Model, names: Iterable[str]) -> None:
    """Check the whole row, then write the named fields and the time of the change. Raises ValidationError."""
    row.full_clean()
    row.save(update_fields=[*names, "updated_at"])


def explain(error: ValidationError) -> str:
    """What a ValidationError says, as text for a person: "return_char_limit: Ensure this value is …"."""
    if not hasattr(error, "error_dict"):
        return " ".join(error.messages)
    return " ".join(
        " ".join(messages) if field == NON_FIELD_ERRORS else f"{field}: {' '.join(messages)}"
        for field, messages in error.message_dict.items()
    )
