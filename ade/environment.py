"""Reading of environment variables, and of the secrets that are kept in the data directory when none is given."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable's text, stripped."""
    return os.environ.get(name, default).strip()


def whole(name: str, default: int, *, least: int = 0) -> int:
    """A whole number of at least `least`."""
    given = text(name)
    if not given:
        return default
    if not given.lstrip("-").isdigit() or int(given) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number of at least {least}, not {given!r}.")
    return int(given)


def seconds(name: str, default: float) -> float:
    """A number of seconds above zero."""
    given = text(name)
    if not given:
        return default
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ImproperlyConfigured(f"{name} must be a number of seconds above 0, not {given!r}.")
    return number


def switch(name: str, *, default: bool) -> bool:
    """True unless the variable is 0, false, no, off or empty; `default` where it is not set."""
    given = os.environ.get(name)
    return default if given is None else given.strip().lower() not in _FALSE


def choice(name: str, choices: tuple[str, ...]) -> str:
    """One of the choices; the first where the variable is not set."""
    given = text(name).lower() or choices[0]
    if given not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}, not {given!r}.")
    return given


def listed(name: str) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()]


def networks(name: str) -> tuple[str, ...]:
    """A comma-separated list of networks: 10.1.0.0/16, or a single address."""
    given = listed(name)
    for part in given:
        try:
            ip_network(part, strict=False)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must list networks such as 10.1.0.0/16, not {part!r}.") from error
    return tuple(given)


def kept_secret(name: str, path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(50)) -> str:
    """The variable's value, or the one in the file `path`, made with mode 0600 on first use."""
    given = text(name)
    if given:
        return given
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        value = make()
        file.write(value)
    return value


def throwaway_directory() -> Path:
    """A data directory of this process alone, gone when it ends: tests run side by side."""
    directory = Path(tempfile.mkdtemp(prefix="tandem-test-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
