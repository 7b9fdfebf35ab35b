"""Pages of a list, by cursor: "after X" is what comes next in the order that was asked for.

The SDKs go on with `after=<last id>` until an empty page comes. A cursor that names nothing (any more) is ignored, so
that deleting while paging goes on with what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from django.db.models import Model, Q, QuerySet
from ninja import Schema
from pydantic import Field

M = TypeVar("M", bound=Model)
Order = Literal["asc", "desc"]

_LONGEST = 1000


class Cursor(Schema):
    """The paging parameters that all lists share."""

    after: str | None = None
    before: str | None = None
    limit: int | None = Field(None, ge=0)
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What to give of a list: `limit` rows, in this order, right behind `after` or right before `before`."""

    order: Order
    limit: int
    after: str | None = None
    before: str | None = None


def page_of(cursor: Cursor, *, order: Order = "desc", limit: int = 50) -> Page:
    """The page that a request asks for; `order` and `limit` where it does not say."""
    wanted = limit if cursor.limit is None else min(cursor.limit, _LONGEST)
    return Page(cursor.order or order, wanted, cursor.after, cursor.before)


def cut(rows: QuerySet[M], page: Page, *, key: str = "created_at", places: QuerySet[Any] | None = None) -> list[M]:
    """The rows of a page, ordered by `key`, then by id so that no two are equal. `places` is where the cursor's row is
    looked up, for a `key` that is no column but annotated; no filter must hide rows there."""
    is_rising = page.order == "asc"
    known = rows.model._default_manager.all() if places is None else places
    after, before = _place(known, page.after, key), _place(known, page.before, key)
    if after is not None:
        rows = rows.filter(_beyond(key, after, is_rising))
    if before is not None:
        rows = rows.filter(_beyond(key, before, not is_rising))
    # Only `before` wants the end of what is left: the rows nearest to it.
    takes_end = before is not None and after is None
    sign = "" if is_rising != takes_end else "-"
    taken = list(rows.order_by(f"{sign}{key}", f"{sign}pk")[: page.limit])
    return taken[::-1] if takes_end else taken


def _place(known: QuerySet[Any], cursor: str | None, key: str) -> tuple[Any, str] | None:
    """Where the cursor's row stands; None where there is none, or it has no place."""
    if not cursor:
        return None
    found = known.filter(pk=cursor).values_list(key, "pk").first()
    return None if found is None or found[0] is None else found


def _beyond(key: str, place: tuple[Any, str], is_rising: bool) -> Q:
    value, pk = place
    side = "gt" if is_rising else "lt"
    return Q(**{f"{key}__{side}": value}) | Q(**{key: value, f"pk__{side}": pk})
