"""Owns the levels of log lines and their order."""

from __future__ import annotations

from .errors import LogLevelError

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def check_level(level: str) -> str:
    """Return *level* as the database has it; raises ``LogLevelError``."""
    if level.upper() not in LEVELS:
        raise LogLevelError(f"asked for the log level {level!r}; there are {', '.join(LEVELS)}")
    return level.upper()


def levels_from(least: str) -> tuple[str, ...]:
    """Return *least* and the levels above it; raises ``LogLevelError``."""
    return LEVELS[LEVELS.index(check_level(least)) :]
