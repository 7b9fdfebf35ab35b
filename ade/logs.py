"""How log lines look: for people, or one JSON object a line (`ADE_LOG_FORMAT`). Both name the run and the call."""

from __future__ import annotations

import logging
from typing import Any

from engine.log_context import log_context


class AddContext(logging.Filter):
    """Gives a line the `run_id` and `call_id` that it belongs to, where there are any."""

    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in log_context().items():
            setattr(record, name, value)
        return True


class LineFormatter(logging.Formatter):
    """A line for people: `… message [run-1 call-2]`."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        ids = [getattr(record, name) for name in ("run_id", "call_id") if hasattr(record, name)]
        return f"{line} [{' '.join(ids)}]" if ids else line


FORMATTERS: dict[str, dict[str, Any]] = {
    "text": {"()": LineFormatter, "format": "{asctime} {levelname} {name}: {message}", "style": "{"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": "{levelname}{name}{message}",
        "style": "{",
        "rename_fields": {"levelname": "level", "name": "logger"},
        "timestamp": "at",
    },
}


def logging_config(level: str, log_format: str) -> dict[str, Any]:
    """The value of Django's LOGGING. `log_format` is text or json."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"context": {"()": AddContext}},
        "formatters": {"line": FORMATTERS[log_format]},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["context"]}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "daphne.http_protocol": {"level": "WARNING"},
            "daphne.server": {"level": "WARNING"},
            "daphne.ws_protocol": {"level": "WARNING"},
            "httpx2": {"level": "WARNING"},
            # It tells every lost connection with a traceback; the call that it was lost under tells it in a sentence.
            "mcp": {"level": "CRITICAL"},
            "django.channels.server": {"level": "WARNING"},
            "django.request": {"level": "ERROR"},
        },
    }
