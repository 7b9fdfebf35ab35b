"""Pages of an agent's history. A row of it may be several messages on the wire; pages count rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.db.models import QuerySet

from api.paging import Cursor, Page, cut, page_of
from api.schemas.messages import Wire, wire_list
from runs.models import Message


class MessageFilter(Cursor):
    """Which messages to list. `conversation_id` is "default" for an agent's own history. `group_id` names a group of
    agents, of which there are none here: no message belongs to one."""

    conversation_id: str | None = None
    group_id: str | None = None
    include_return_message_types: list[str] | None = None


def chronological_page(rows: QuerySet[Message], chosen: MessageFilter) -> list[Wire]:
    """A page of an agent's history as people read it: by default the newest rows, oldest first, as V1 of Letta does,
    `after` and `before` being later and earlier. With `order=asc` it goes forward from the beginning.
    """
    page = page_of(chosen, order="desc", limit=100)
    if page.order == "asc" or page.after:
        return _filled(rows, replace(page, order="asc"), chosen, cut_forwards)
    return _filled(rows, replace(page, after=page.before, before=None), chosen, _cut_backwards)


def ordered_page(rows: QuerySet[Message], chosen: MessageFilter) -> list[Wire]:
    """A page in the order that was asked for, the oldest first by default."""
    return _filled(rows, page_of(chosen, order="asc", limit=100), chosen, cut_forwards)


def newest_page(rows: QuerySet[Message], chosen: MessageFilter) -> list[Wire]:
    """A page in the order that was asked for, the newest first by default."""
    return _filled(rows, page_of(chosen, order="desc", limit=100), chosen, cut_forwards)


def dated_page(rows: QuerySet[Message], chosen: MessageFilter) -> list[Wire]:
    """As `newest_page`, of messages from several histories: by when they were said."""
    return _filled(rows, page_of(chosen, order="desc", limit=100), chosen, _cut_by_date)


def cut_forwards(rows: QuerySet[Message], page: Page) -> list[Message]:
    """The rows of a page."""
    return cut(rows, page, key="position")


def _cut_by_date(rows: QuerySet[Message], page: Page) -> list[Message]:
    return cut(rows, page)


def _cut_backwards(rows: QuerySet[Message], page: Page) -> list[Message]:
    """The rows before the cursor, the oldest first."""
    return cut(rows, page, key="position")[::-1]


def _filled(
    rows: QuerySet[Message],
    page: Page,
    chosen: MessageFilter,
    take: Callable[[QuerySet[Message], Page], list[Message]],
) -> list[Wire]:
    """The page's messages of the wanted types. An empty page ends the SDKs' paging, so it goes on until there is one."""
    rows = rows.none() if chosen.group_id else rows.exclude(position=None)
    while True:
        found = take(rows, page)
        messages = wire_list(found, chosen.include_return_message_types)
        if messages or not found or len(found) < page.limit or (page.before and not page.after):
            return messages
        last = found[0] if take is _cut_backwards else found[-1]
        page = replace(page, after=last.pk)
