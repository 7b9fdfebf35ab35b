"""/v1/tags: what agents are tagged with."""

from __future__ import annotations

from django.http import HttpRequest
from ninja import Query, Router

from agents.models import Agent
from api.paging import Cursor, page_of

router = Router(tags=["Tags"])


@router.get("/tags")
def list_tags(
    request: HttpRequest, chosen: Query[Cursor], name: str | None = None, query_text: str | None = None
) -> list[str]:
    """The tags of all agents, by the alphabet; a tag is its own cursor. `name`, once `query_text`, is a part of it."""
    page = page_of(chosen, order="asc")
    texts = [text.lower() for text in (name, query_text) if text]
    tags = {tag for found in Agent.objects.exclude(tags=[]).values_list("tags", flat=True) for tag in found}
    fitting = sorted(tag for tag in tags if all(text in tag.lower() for text in texts))
    lowest, highest = (page.before, page.after) if page.order == "desc" else (page.after, page.before)
    between = [tag for tag in fitting if (not lowest or tag > lowest) and (not highest or tag < highest)]
    rows = between if page.order == "asc" else between[::-1]
    # Only `before` wants the end of what is left: the tags nearest to it.
    takes_end = page.before and not page.after
    return rows[len(rows) - page.limit :] if takes_end and len(rows) > page.limit else rows[: page.limit]
