"""The way from runs' async code to the database: that of every app."""

from access.database import close_connections, in_database, is_away, persistently

__all__ = ["close_connections", "in_database", "is_away", "persistently"]
