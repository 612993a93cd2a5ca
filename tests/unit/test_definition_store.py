"""Stored definitions: never changed, numbered by name, and found again by what they say."""

from __future__ import annotations

import pytest

from bequest.engine.definitions import Definition, definition_digest, definition_from
from bequest.engine.errors import DefinitionError
from bequest.engine.records import StoredDefinition
from bequest.engine.store import Store

WIKI = Definition.crawl("wiki", start_urls=["http://wiki.example/"], auth_id="wiki", labels={"é": None})


def save(store: Store, *definitions: Definition) -> list[StoredDefinition]:
    with store.group():
        return [store.definitions.save(definition) for definition in definitions]


def variant(name: str, pages: int) -> Definition:
    return Definition.crawl(name, start_urls=["http://wiki.example/"], max_pages=pages)


def test_definition_is_read_back_equal(store: Store) -> None:
    """What is stored decodes to what was saved, and says its digest."""
    (stored,) = save(store, WIKI)

    with store.group():
        found = store.definitions.get(stored.id)

    assert found == stored
    assert definition_from(found.body, source="test") == WIKI
    assert (found.name, found.version, found.digest) == ("wiki", 1, definition_digest(WIKI))


def test_equal_definition_is_stored_once(store: Store) -> None:
    """To save again is to be told of the one that is there, in one group and in a later one."""
    first, second = save(store, WIKI, WIKI)
    (third,) = save(store, WIKI)

    assert first == second == third


def test_changed_definition_is_the_next_version_of_its_name(store: Store) -> None:
    """Versions count for each name alone, and going back to an older recipe is that older version."""
    stored = save(store, variant("a", 1), variant("b", 1), variant("a", 2), variant("a", 1), variant("a", 3))

    assert [(one.name, one.version) for one in stored] == [("a", 1), ("b", 1), ("a", 2), ("a", 1), ("a", 3)]
    assert stored[0].id == stored[3].id


def test_definition_that_is_not_valid_is_not_stored(store: Store) -> None:
    """A definition that was built without a check is checked before it is kept."""
    with store.group(), pytest.raises(DefinitionError, match="max_pages"):
        store.definitions.save(Definition(name="wiki", start_urls=("http://h/",), max_pages=0))

    assert save(store, WIKI)[0].id == 1


def test_definition_that_is_not_there_is_an_error(store: Store) -> None:
    """The error names the id that was asked for."""
    with store.group(), pytest.raises(DefinitionError, match="asked for definition 7, found none with that id"):
        store.definitions.get(7)
