"""Prints in one line what this Python lacks to make Tandem's environment; nothing where it lacks nothing.

Also runs on Pythons that are far too old for the rest.
"""

import sys


def problem() -> str:
    """The one line, or nothing."""
    if sys.version_info < (3, 11):  # noqa: UP036 - it is here to say so
        found = ".".join(str(part) for part in sys.version_info[:3])
        return "Tandem needs Python 3.11 or newer, not " + found + ". Install one, then: make PYTHON=/path/to/python3"
    try:
        import ensurepip
        import venv
    except ImportError:
        return "This Python has no venv. Install it: apt-get install python3-venv"
    assert ensurepip and venv
    return ""


sys.stdout.write(problem())
