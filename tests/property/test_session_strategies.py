"""What users' property tests draw of sessions: what a browser would take, in every shape."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import Phase, find, given, settings

from bequest.engine.cookies import Cookie, admit, why_skipped
from bequest.engine.credentials import Credential, decode_credential, encode_credential
from bequest.testing.session_strategies import START
from bequest.testing.strategies import cookies, credentials

QUICK = settings(max_examples=2_000, derandomize=True)  # one search, and one way to the simplest, each time
UNSHRUNK = settings(QUICK, phases=[Phase.generate])
BY_CHOICE = {None, "expired", "partitioned"}


@given(cookies())
def test_cookies_are_what_a_browser_takes(cookie: Cookie) -> None:
    """Nothing speaks against one but that it has expired, or is partitioned."""
    assert why_skipped(cookie, START) in BY_CHOICE


@given(cookies(usable=True, domains=("shop.example",), now=5.0))
def test_usable_cookies_are_given_to_the_browser(cookie: Cookie) -> None:
    """A usable one is admitted as it is, at the domain and the time that were asked for."""
    assert admit([cookie], sites=["shop.example"], now=5.0).kept == (cookie,)


@pytest.mark.parametrize(
    "corner",
    [
        lambda one: one.host_only,
        lambda one: not one.host_only,
        lambda one: one.partition_key is not None,
        lambda one: one.name.startswith("__Secure-") or one.name.startswith("__secure-"),
        lambda one: one.name.lower().startswith("__host-"),
        lambda one: one.name.startswith("__HOST-"),
        lambda one: one.expires == START,
        lambda one: one.expires is not None and one.expires > START,
        lambda one: one.same_site == "None",
        lambda one: not one.value.reveal(),
        lambda one: any(letter > "\uffff" for letter in one.value.reveal()),
        lambda one: ":" in one.domain,
    ],
)
def test_cookies_reach_their_corners(corner: Callable[[Cookie], bool]) -> None:
    """Both kinds of domain, partitions, prefixes, lifetimes and odd values are all drawn."""
    assert corner(find(cookies(), corner, settings=UNSHRUNK))


def test_cookies_shrink() -> None:
    """What fails for any cookie that scripts cannot read fails in the end for one with nothing else."""
    found = find(cookies(), lambda one: one.http_only, settings=QUICK)

    assert (found.value.reveal(), found.domain, found.path) == ("", "wiki.example", "/")
    assert (found.host_only, found.expires, found.secure, found.partition_key) == (False, None, False, None)


@settings(max_examples=40)
@given(credentials())
def test_credentials_are_sealed_without_loss(credential: Credential) -> None:
    """What is encoded to be sealed is the same when it is opened."""
    again = decode_credential(encode_credential(credential), auth_id=credential.auth_id, sites=credential.sites)

    assert again == credential


@settings(max_examples=40)
@given(credentials(usable=True))
def test_usable_credentials_are_admitted(credential: Credential) -> None:
    """A usable one has a cookie that the browser is given, and nothing of it lies outside its sites (I17)."""
    admission = credential.admitted(START)

    assert admission.cookies
    assert {one.reason for one in admission.skipped} <= {"repeated"}


@pytest.mark.parametrize(
    "corner",
    [
        lambda one: one.headers and one.storages and one.secrets,
        lambda one: len(one.sites) == 3,
        lambda one: any(part.indexed_db for part in one.storages),
        lambda one: one.user_agent and not one.cookies,
        lambda one: any("[::1]" in part.origin for part in (*one.headers, *one.storages)),
    ],
)
def test_credentials_reach_their_corners(corner: Callable[[Credential], bool]) -> None:
    """Headers, storages, secrets and user agents are drawn, together and alone."""
    assert corner(find(credentials(), corner, settings=UNSHRUNK))


def test_credentials_shrink() -> None:
    """The simplest credential of two sites has nothing in it."""
    found = find(credentials(), lambda one: len(one.sites) == 2, settings=QUICK)

    assert found == Credential(auth_id="wiki", sites=("wiki.example", "shop.example"))
