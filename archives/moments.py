"""Points in time as people and models write them, and as an agent reads them."""

from __future__ import annotations

from datetime import UTC, datetime, time, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: str) -> tzinfo:
    """The time zone of this name; UTC where there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def read_moment(text: str, zone: tzinfo, *, ends_day: bool = False) -> datetime:
    """An ISO 8601 date or time. Without a time zone it is in `zone`; a date alone is the day's start, or with `ends_day`
    its end. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"{text!r} is no ISO 8601 date or time, as 2025-09-29 or 2025-09-29T14:30:00.") from error
    if ends_day and len(text.strip()) <= len("2025-09-29"):
        moment = datetime.combine(moment.date(), time.max)
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"{text!r} is too far away.") from error


def say_moment(moment: datetime, zone: tzinfo) -> str:
    """As an agent in this zone reads it: "2025-09-29T14:30:00+02:00"."""
    return moment.astimezone(zone).replace(microsecond=0).isoformat()
