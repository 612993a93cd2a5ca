"""Owns the decision which session a child uses, in the order of the chain: metadata, definition, none."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from .definitions import Definition
from .records import Json, Record


class AuthSource(enum.StrEnum):
    """Where an ``auth_id`` was found."""

    PARENT_METADATA = "parent metadata"
    DEFINITION = "definition"
    NONE = "none"


class SessionChoice(Record, frozen=True, kw_only=True):
    """Which session, and why."""

    auth_id: str | None
    source: AuthSource


def choose_session(metadata: Mapping[str, Json], definition: Definition | None) -> SessionChoice:
    """Return the session that a child uses: the parent's metadata names it, else the definition, else nothing does."""
    auth_id = metadata.get("auth_id")
    if isinstance(auth_id, str) and auth_id:
        return SessionChoice(auth_id=auth_id, source=AuthSource.PARENT_METADATA)
    if definition is not None and definition.auth_id is not None:
        return SessionChoice(auth_id=definition.auth_id, source=AuthSource.DEFINITION)
    return SessionChoice(auth_id=None, source=AuthSource.NONE)
