"""The chain: the parent's metadata first, then the definition, then nothing."""

from __future__ import annotations

import pytest

from bequest.engine.definitions import Definition
from bequest.engine.inheritance import AuthSource, SessionChoice, choose_session
from bequest.engine.records import Json

NAMING = Definition.crawl("wiki", start_urls=["http://h/"], auth_id="of-definition")
ANONYMOUS = Definition.crawl("wiki", start_urls=["http://h/"])


@pytest.mark.parametrize("definition", [NAMING, ANONYMOUS, None])
def test_session_of_the_metadata_comes_first(definition: Definition | None) -> None:
    """What the parent's metadata names is used, whatever the definition says."""
    choice = choose_session({"auth_id": "of-parent", "team": "a"}, definition)

    assert choice == SessionChoice(auth_id="of-parent", source=AuthSource.PARENT_METADATA)


@pytest.mark.parametrize("metadata", [{}, {"auth_id": None}, {"auth_id": ""}, {"auth_id": 7}, {"auth_id": ["wiki"]}])
def test_session_of_the_definition_comes_second(metadata: dict[str, Json]) -> None:
    """Where the metadata was lost, or names nothing that is a name, the definition does."""
    choice = choose_session(metadata, NAMING)

    assert choice == SessionChoice(auth_id="of-definition", source=AuthSource.DEFINITION)


@pytest.mark.parametrize("definition", [ANONYMOUS, None])
def test_page_without_either_is_anonymous(definition: Definition | None) -> None:
    """Where neither names a session there is none, and the choice says so."""
    assert choose_session({}, definition) == SessionChoice(auth_id=None, source=AuthSource.NONE)
