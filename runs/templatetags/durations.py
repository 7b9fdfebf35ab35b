"""Durations in templates."""

from __future__ import annotations

from django import template

from runs.wording import duration_text

register = template.Library()


@register.filter
def duration(milliseconds: float) -> str:
    """Milliseconds as people read them: "240 ms", "1.24 s"."""
    return duration_text(float(milliseconds) / 1000)
