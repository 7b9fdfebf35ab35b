"""One server per data directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO


class DataDirectoryInUse(Exception):
    """Another server works on this data directory; the text names it."""


def lock_data_directory(directory: Path) -> IO[str]:
    """Hold the directory until the returned file is closed. Raises DataDirectoryInUse."""
    file = (directory / "serve.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise DataDirectoryInUse(
            f"{directory} is in use by {holder}. Stop that one, or set ADE_DATA_DIR and ADE_PORT for this one."
        ) from None
    file.truncate(0)
    file.write(f"process {os.getpid()}")
    file.flush()
    return file
