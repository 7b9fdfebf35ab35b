"""What an agent's system prompt says of its archival memory: its tags, by which it can look for memories."""

from __future__ import annotations

from html import escape

from agents.models import Agent
from archives.built_ins import NAMES
from archives.memory import passages_of

# More would fill the context window of an agent that tags freely.
_MOST_TAGS = 100


def archival_section(agent: Agent) -> str:
    """The tags of what the agent remembers, by the alphabet; "" for none, or where it has no tool to use them with.

    How many passages there are is not said: a prompt that changed with each of them could not be cached.
    """
    if not agent.tools.filter(name__in=NAMES).exists():
        return ""
    lists = passages_of(agent_id=agent.pk).exclude(tags=[]).order_by().values_list("tags", flat=True).distinct()
    tags = sorted({escape(tag, quote=False) for tags in lists for tag in tags})
    if not tags:
        return ""
    more = f" and {len(tags) - _MOST_TAGS} more" if len(tags) > _MOST_TAGS else ""
    return f"<archival_memory>\nTags in archival memory: {', '.join(tags[:_MOST_TAGS])}{more}\n</archival_memory>"
