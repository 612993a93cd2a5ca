"""Properties of definitions: the canonical form, and any input at all."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bequest.engine.definitions import (
    Definition,
    canonical_json,
    check,
    definition_digest,
    definition_from,
)
from bequest.engine.errors import DefinitionError
from bequest.testing.strategies import definitions

crawls = definitions(crawls_only=True)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(Definition.__struct_fields__)
mutations = st.dictionaries(fields | st.text(max_size=8), json_values | st.lists(st.text()), max_size=3)


@given(definition=crawls)
def test_definition_comes_back_from_its_canonical_json(definition: Definition) -> None:
    """A checked definition, written and read again, is equal and has the same canonical form."""
    check(definition)

    again = definition_from(msgspec.json.decode(canonical_json(definition)), source="json")

    assert again == definition
    assert canonical_json(again) == canonical_json(definition)


@given(one=crawls, other=crawls)
def test_digests_are_equal_exactly_when_the_canonical_forms_are(one: Definition, other: Definition) -> None:
    """The digest tells definitions apart just as the canonical JSON does."""
    assert (definition_digest(one) == definition_digest(other)) == (canonical_json(one) == canonical_json(other))


@given(definition=crawls, data=st.data())
def test_digest_ignores_the_order_of_keys(definition: Definition, data: st.DataObject) -> None:
    """However a file orders its keys and labels, the digest is the same."""
    plain = msgspec.json.decode(canonical_json(definition))
    plain["labels"] = dict(data.draw(st.permutations(list(plain["labels"].items()))))
    shuffled = dict(data.draw(st.permutations(list(plain.items()))))

    assert definition_digest(definition_from(shuffled, source="json")) == definition_digest(definition)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of re, about patterns that it may read otherwise one day
@given(base=crawls, mutation=mutations, drop=st.sets(fields, max_size=2))
def test_any_object_is_a_definition_or_a_definition_error(
    base: Definition, mutation: dict[str, Any], drop: set[str]
) -> None:
    """Whatever an object holds, it gives a definition that can be written, or an error of one line that names it."""
    plain = {key: value for key, value in msgspec.to_builtins(base).items() if key not in drop} | mutation

    definition, refusal = read(plain)

    if definition is None:
        assert refusal.startswith("wiki.json: ")
        assert len(refusal.splitlines()) == 1
    else:
        assert read(msgspec.json.decode(canonical_json(definition))) == (definition, "")


def read(plain: dict[str, Any]) -> tuple[Definition | None, str]:
    """Return the definition in *plain*, or None and what the refusal says."""
    try:
        return definition_from(plain, source="wiki.json"), ""
    except DefinitionError as error:
        return None, str(error)
