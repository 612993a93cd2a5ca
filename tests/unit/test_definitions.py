"""Tests of what a definition holds, what is refused, and how the refusal reads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bequest.engine.definitions import (
    AuthPolicy,
    CrawlOptions,
    Definition,
    canonical_json,
    check,
    definition_digest,
    definition_from,
)
from bequest.engine.errors import DefinitionError

SEED = "https://wiki.example/"


def refusal(**fields: Any) -> str:
    """Return what is said of a definition with *fields*, read from wiki.toml."""
    with pytest.raises(DefinitionError) as caught:
        definition_from({"name": "wiki", "start_urls": [SEED], **fields}, source="wiki.toml")
    return str(caught.value)


def test_definition_fills_in_the_documented_defaults() -> None:
    """What is left out means the default of the record, for booleans too."""
    definition = Definition.crawl("wiki", start_urls=[SEED])

    assert definition == Definition(
        name="wiki",
        start_urls=(SEED,),
        auth_id=None,
        auth_policy=None,
        max_pages=100,
        max_depth=3,
        include=(),
        exclude=(),
        scope="site",
        concurrency=4,
        allow_private=False,
        error_tolerance=1.0,
        page_timeout_s=30.0,
        max_attempts=4,
        labels={},
    )


def test_crawl_keeps_every_option() -> None:
    """Every option that is given stands in the definition, lists as tuples."""
    definition = Definition.crawl(
        "wiki",
        start_urls=[SEED, "http://[::1]:8080/a?b=c"],
        auth_id="wiki",
        auth_policy="degrade",
        max_pages=5,
        max_depth=0,
        include=["/a"],
        exclude=["logout$"],
        scope="host",
        concurrency=64,
        allow_private=True,
        error_tolerance=0.25,
        page_timeout_s=1,
        max_attempts=1,
        labels={"team": "docs", "round": 3, "share": 0.5, "dry": True, "note": None},
    )

    assert definition.start_urls == (SEED, "http://[::1]:8080/a?b=c")
    assert definition.auth_policy is AuthPolicy.DEGRADE
    assert (definition.include, definition.exclude) == (("/a",), ("logout$",))
    assert isinstance(definition.page_timeout_s, float)
    assert definition.labels == {"team": "docs", "round": 3, "share": 0.5, "dry": True, "note": None}


def test_crawl_options_name_every_field_but_the_two_required() -> None:
    """The options that type checkers see are the fields of the record."""
    assert {"name", "start_urls", "steps", *CrawlOptions.__annotations__} == set(Definition.__struct_fields__)


def test_two_definitions_share_no_labels() -> None:
    """The default labels of one definition are not those of another."""
    first, second = (Definition.crawl("wiki", start_urls=[SEED]) for _ in range(2))

    assert first.labels is not second.labels


@pytest.mark.parametrize(
    ("auth_id", "declared", "effective"),
    [
        (None, None, AuthPolicy.DEGRADE),
        ("wiki", None, AuthPolicy.REQUIRE),
        ("wiki", AuthPolicy.DEGRADE, AuthPolicy.DEGRADE),
        ("wiki", AuthPolicy.REQUIRE, AuthPolicy.REQUIRE),
        (None, AuthPolicy.DEGRADE, AuthPolicy.DEGRADE),
    ],
)
def test_auth_policy_is_require_once_a_session_is_named(
    auth_id: str | None, declared: AuthPolicy | None, effective: AuthPolicy
) -> None:
    """Without a declared policy the session is required where one is named; a declared one stands."""
    definition = Definition.crawl("wiki", start_urls=[SEED], auth_id=auth_id, auth_policy=declared)

    assert definition.effective_auth_policy is effective


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("max_depth", -1, "max_depth: expected an integer of at least 0, found -1"),
        ("max_pages", 0, "max_pages: expected an integer of at least 1, found 0"),
        ("max_pages", True, "max_pages: expected an integer of at least 1, found true"),
        ("max_pages", None, "max_pages: expected an integer of at least 1, found null"),
        ("max_pages", 2**63, "max_pages: expected an integer of at least 1, found a number of more than 64 bits"),
        pytest.param(
            "max_pages",
            10**5000,  # more digits than Python writes
            "max_pages: expected an integer of at least 1, found a number of more than 64 bits",
            id="max_pages-5000-digits",
        ),
        ("max_attempts", 0, "max_attempts: expected an integer of at least 1, found 0"),
        ("concurrency", 65, "concurrency: expected an integer from 1 to 64, found 65"),
        ("concurrency", 0, "concurrency: expected an integer from 1 to 64, found 0"),
        ("allow_private", 1, "allow_private: expected true or false, found 1"),
        ("allow_private", {}, "allow_private: expected true or false, found a table"),
        ("error_tolerance", 1.5, "error_tolerance: expected a number from 0 to 1, found 1.5"),
        ("error_tolerance", float("nan"), "error_tolerance: expected a number from 0 to 1, found nan"),
        ("page_timeout_s", 0, "page_timeout_s: expected a number of seconds above 0 and at most 86400, found 0.0"),
        ("scope", "page", 'scope: expected "site", "host" or "any", found \'page\''),
        ("scope", "x" * 100, f'scope: expected "site", "host" or "any", found \'{"x" * 57}...\''),
        ("auth_id", "", "auth_id: expected a name of 1 to 200 printable characters, of a stored session, found ''"),
        ("name", "a\nb", "name: expected a name of 1 to 200 printable characters, found 'a\\nb'"),
        ("name", b"a", "name: expected a name of 1 to 200 printable characters, found a value of type bytes"),
        ("name", "n" * 201, f"name: expected a name of 1 to 200 printable characters, found '{'n' * 57}...'"),
    ],
)
def test_definition_refuses_a_value(key: str, value: object, said: str) -> None:
    """A value of the wrong type or size is refused with the source, the key, what was expected and what was found."""
    assert refusal(**{key: value}) == f"wiki.toml: {said}"


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("require", "found 'require' and no auth_id"),
        ("requre", "found 'requre'"),
    ],
)
def test_definition_refuses_an_auth_policy(policy: str, said: str) -> None:
    """A policy must be one of the two, and requiring a session takes the name of one."""
    expected = 'wiki.toml: auth_policy: expected "require" (beside an auth_id) or "degrade", '

    assert refusal(auth_policy=policy) == expected + said


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("ftp://wiki.example/", "one that begins with 'ftp:'"),
        ("wiki.example/?token=canary", "one without http:// or https://"),
        ("javascript:canary()", "one without http:// or https://"),
        ("http:///path", "one without a host"),
        ("http://wiki.example:0/", "one with port 0"),
        ("http://wiki.example:99999/", "one whose host or port cannot be read"),
        ("http://[::1/canary", "one whose host or port cannot be read"),
        ("http://wiki.example/a canary", "one with white space or control characters"),
        ("http://wiki.example/\ncanary", "one with white space or control characters"),
        ("http://wiki.example/\ud800", "one with white space or control characters"),
        (
            "http://user:canary@wiki.example/",
            "one with a user name in it; store that as a credential and name it in auth_id",
        ),
        (7, "7"),
    ],
)
def test_definition_refuses_a_start_url_without_quoting_it(url: object, found: str) -> None:
    """A URL that cannot be started from is refused by its place in the list, and its text is not shown."""
    said = refusal(start_urls=[SEED, url])

    assert said == f"wiki.toml: start_urls[1]: expected an http or https URL, found {found}"


@pytest.mark.parametrize("host", ["256.0.0.1", "1.2.3.4.5", "wiki..example"])
def test_definition_refuses_start_urls_whose_host_no_browser_reads(host: str) -> None:
    """What looks like a URL and has a host that is none is refused by its place, without its query (I16)."""
    said = refusal(start_urls=[SEED, f"http://{host}/?canary"])

    assert said.startswith("wiki.toml: start_urls[1]: expected a host")
    assert "canary" not in said


@pytest.mark.parametrize(("value", "found"), [([], "an empty list"), (f"{SEED}?canary", "a text")])
def test_definition_refuses_start_urls_that_are_no_list_of_any(value: object, found: str) -> None:
    """No URL at all, or one without a list around it, is refused."""
    said = refusal(start_urls=value)

    assert said.startswith("wiki.toml: start_urls: expected a list of one or more http or https URLs")
    assert said.endswith(f"found {found}")


@pytest.mark.parametrize("key", ["include", "exclude"])
@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("wiki/[", "'wiki/[' (unterminated character set at position 5)"),
        ("a{99999999999999}", "'a{99999999999999}' (the repetition number is too large)"),
        ("\ud800", "characters that are not Unicode"),
        (None, "null"),
    ],
)
def test_definition_refuses_a_pattern(key: str, pattern: object, found: str) -> None:
    """A pattern that does not compile is refused when the definition is read, with the reason."""
    assert refusal(**{key: ["fine", pattern]}) == f"wiki.toml: {key}[1]: expected a regular expression, found {found}"


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"team": ["a"]}, "labels.team: expected a text, a number, true or false, found a list"),
        ({"a b": float("inf")}, "labels.'a b': expected a text, a number, true or false, found inf"),
        (
            {"n": -(2**63) - 1},
            "labels.n: expected a text, a number, true or false, found a number of more than 64 bits",
        ),
        ({"t": "\ud800"}, "labels.t: expected a text, a number, true or false, found characters that are not Unicode"),
        ({"\ud800": 1}, "labels: expected a table of named texts, numbers and booleans, found a table"),
        ({1: 1}, "labels: expected a table of named texts, numbers and booleans, found a table"),
        (["a"], "labels: expected a table of named texts, numbers and booleans, found a list"),
    ],
)
def test_definition_refuses_labels(labels: object, said: str) -> None:
    """A label that JSON cannot hold as one value is refused by its name."""
    assert refusal(labels=labels) == f"wiki.toml: {said}"


def test_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    """A mistyped key is an error that names the key that was meant."""
    assert refusal(max_page=5) == "wiki.toml: max_page: unknown key; did you mean max_pages?"


def test_unknown_key_far_from_any_is_refused_with_all_that_there_are() -> None:
    """A key that resembles none is an error that lists the keys."""
    assert refusal(**{"zz z": 5}).startswith("wiki.toml: 'zz z': unknown key; the keys are name, start_urls, auth_id, ")


def test_missing_key_is_refused() -> None:
    """A definition without start URLs is an error that names the key."""
    with pytest.raises(
        DefinitionError, match=r"wiki\.toml: start_urls: expected a list of one or more .* found nothing"
    ):
        definition_from({"name": "wiki"}, source="wiki.toml")


def test_check_names_the_definition_where_no_source_is_given() -> None:
    """A definition made in Python is named in the message by its own name."""
    definition = Definition(name="wiki", start_urls=(SEED,), max_depth=-1)

    with pytest.raises(DefinitionError, match=r"^definition 'wiki': max_depth: expected an integer of at least 0"):
        check(definition)


def test_crawl_refuses_in_the_same_words() -> None:
    """A definition built in Python is checked as a file is."""
    with pytest.raises(DefinitionError, match=r"^definition 'wiki': scope: expected "):
        Definition.crawl("wiki", start_urls=[SEED], scope="page")  # type: ignore[call-overload]


def test_canonical_json_sorts_keys_and_keeps_the_order_of_seeds() -> None:
    """Keys are sorted at every level; the seeds stay as they were declared."""
    definition = Definition.crawl("wiki", start_urls=["https://b.example/", SEED], labels={"z": 1, "a": 2})

    canonical = canonical_json(definition)

    decoded = msgspec.json.decode(canonical)
    assert list(decoded) == sorted(Definition.__struct_fields__)
    assert list(decoded["labels"]) == ["a", "z"]
    assert decoded["start_urls"] == ["https://b.example/", SEED]


def test_digest_does_not_depend_on_the_order_of_labels_or_on_defaults_written_out() -> None:
    """Two ways to write one recipe have one digest, of 32 hex digits."""
    one = Definition.crawl("wiki", start_urls=[SEED], labels={"z": 1, "a": 2})
    other = Definition.crawl("wiki", start_urls=(SEED,), labels={"a": 2, "z": 1}, page_timeout_s=30, max_depth=3)

    assert definition_digest(one) == definition_digest(other)
    assert len(bytes.fromhex(definition_digest(one))) == 16


@pytest.mark.parametrize("change", [{"max_depth": 2}, {"auth_id": "wiki"}, {"start_urls": (f"{SEED}a",)}])
def test_digest_changes_with_the_recipe(change: dict[str, Any]) -> None:
    """Another depth, session or seed is another definition."""
    definition = Definition.crawl("wiki", start_urls=[SEED])

    changed = msgspec.structs.replace(definition, **change)

    assert definition_digest(changed) != definition_digest(definition)
