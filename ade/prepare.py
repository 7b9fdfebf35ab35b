"""Brings a data directory up to date: tables, static files, the demo agent, built-in tools."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from ade.demo import DEMO_MESSAGE, seed_demo
from tools.built_in import ensure


def prepare() -> str:
    """Do all of it; what there is to say about it, or "". The caller holds the data directory's lock."""
    call_command("migrate", verbosity=0, interactive=False)
    collect_static_files()
    agent = seed_demo()
    ensure()
    return f'The demo agent "{agent.name}" is ready. Try: {DEMO_MESSAGE}' if agent else ""


def collect_static_files() -> bool:
    """Collect and compress what pages load, where it has changed: that takes seconds, a look takes none."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    wanted = hashlib.sha256("\n".join(_sources()).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    # From nothing: the command by itself keeps a file whose new version is not younger than the old one.
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(wanted)
    return True


def _sources() -> Iterator[str]:
    """Every static file with what changes when it does."""
    yield settings.STORAGES["staticfiles"]["BACKEND"]
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            yield f"{name} {found.st_size} {found.st_mtime_ns}"
