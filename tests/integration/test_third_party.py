"""A session reaches its own site whole, and nothing of it any third party, by whatever way the browser goes (I17)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from browser_rig import Rig
from loopback_site import Answer, Request, Site
from third_party import COOKIES, HEADERS, Parties, credential, secrets_of
from third_party_vectors import LEADING, MAY_NOT_ARRIVE, VECTORS

from bequest.engine.errors import PageError
from bequest.engine.records import SealedCredential


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


@pytest.fixture(scope="module")
def parties() -> Iterator[Parties]:
    sites: list[Site] = []

    def serve(handler: Callable[[Request], Answer]) -> Site:
        sites.append(Site(handler))
        return sites[-1]

    yield Parties(serve)
    for site in sites:
        site.stop()


@pytest.fixture(scope="module")
def sealed(rig: Rig, parties: Parties) -> SealedCredential:
    return rig.vault.seal(credential(parties.origin), version=1, now=0.0)


@pytest.mark.parametrize("vector", [*VECTORS, *LEADING])
def test_third_party_sees_no_secret(rig: Rig, parties: Parties, sealed: SealedCredential, vector: str) -> None:
    """The page has the session, and by no way that leads from it to another host, or port, does any of it go there."""
    arrived = {}
    for name, target in parties.targets.items():
        with contextlib.suppress(PageError):  # a download is none
            rig.read(parties.page(vector, target), credential=sealed)
        arrived[name] = parties.arrivals.has(target.host, vector)

    pages = [secrets_of(seen) for seen in parties.first.requests if seen.path.startswith("/vector?")]
    assert pages[-len(parties.targets) :] == [HEADERS | COOKIES] * len(parties.targets)
    assert [parties.leaks(target) for target in parties.targets.values()] == [set()] * len(parties.targets)
    assert all(arrived.values()) or vector in MAY_NOT_ARRIVE, arrived


def test_page_outside_the_sites_is_fetched_without_the_session(rig: Rig, parties: Parties) -> None:
    """A link that leads to a third party is read in the anonymous context, also when it leads back from there."""
    sealed = rig.vault.seal(credential(parties.origin, auth_id="outside"), version=1, now=0.0)
    target = parties.targets["third party"]
    back = f"{parties.there('link', target)}&{urlencode({'back': parties.origin + '/page?anonymous'})}"

    snapshots = [rig.read(url, credential=sealed) for url in (parties.there("link", target), back)]

    landed = [secrets_of(seen) for seen in parties.first.requests if seen.path == "/page?anonymous"]
    assert [snapshot.cookies for snapshot in snapshots] == [None, None]
    assert landed == [set()]
    assert parties.leaks(target) == set()
