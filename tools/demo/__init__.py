"""The demo's tools: real functions over a small bundled corpus and a small bundled database, with no network.

Each file is a whole tool, its data included, because a tool is run from its source alone, in a sandbox.
"""

from pathlib import Path

# File name, and whether its calls may run in parallel.
DEMO_TOOLS: tuple[tuple[str, bool], ...] = (
    ("search_web.py", True),
    ("search_database.py", True),
    ("send_message.py", False),
)


def read_demo_source(name: str) -> str:
    """The source of a demo tool, by its file name in DEMO_TOOLS. Raises KeyError for any other name."""
    if name not in dict(DEMO_TOOLS):
        raise KeyError(name)
    return (Path(__file__).parent / name).read_text(encoding="utf-8")
