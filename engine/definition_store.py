"""Owns the definitions that runs were made from; a stored one never changes, a changed one is a new version."""

from __future__ import annotations

import msgspec

from .database import Database, Row
from .definitions import Definition, canonical_json, check, definition_digest
from .errors import DefinitionError
from .records import StoredDefinition

COLUMNS = "id, name, version, digest, body_json"


class DefinitionStore:
    """The definitions of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, definition: Definition) -> StoredDefinition:
        """Keep a definition; an equal one that is there already is the answer. Raises ``DefinitionError``."""
        check(definition)
        digest = definition_digest(definition)
        self._database.run(
            "INSERT INTO definition (name, version, digest, body_json, created_at)"
            " SELECT ?1, 1 + ifnull(max(version), 0), ?2, ?3, ?4 FROM definition WHERE name = ?1"
            " ON CONFLICT (name, digest) DO NOTHING",
            (definition.name, digest, canonical_json(definition).decode(), self._database.now),
        )
        (row,) = self._database.rows(
            f"SELECT {COLUMNS} FROM definition WHERE name = ? AND digest = ?", (definition.name, digest)
        )
        return _definition_from(row)

    def get(self, definition_id: int) -> StoredDefinition:
        """Return one definition; raises ``DefinitionError`` when there is none with that id."""
        row = self._database.row(f"SELECT {COLUMNS} FROM definition WHERE id = ?", (definition_id,))
        if row is None:
            raise DefinitionError(f"asked for definition {definition_id}, found none with that id")
        return _definition_from(row)


def _definition_from(row: Row) -> StoredDefinition:
    definition_id, name, version, digest, body_json = row
    return StoredDefinition(
        id=definition_id, name=name, version=version, digest=digest, body=msgspec.json.decode(body_json)
    )
