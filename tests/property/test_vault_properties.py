"""What holds for every seal: it gives back what it took, and opens for nobody else."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential, decode_credential, encode_credential
from bequest.engine.errors import SealError
from bequest.engine.keys import Key
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.vault import Vault

KEYS = st.builds(Key, st.binary(min_size=32, max_size=32))
COOKIES = st.builds(
    Cookie,
    name=st.text(max_size=8),
    value=st.builds(Secret, st.text(max_size=20)),
    domain=st.sampled_from(["wiki.example", "::1"]),
    host_only=st.booleans(),
    path=st.sampled_from(["/", "/é"]),
    expires=st.none() | st.floats(0, 1e12),
    secure=st.booleans(),
    http_only=st.booleans(),
    same_site=st.sampled_from([None, "Strict", "Lax", "None"]),
    partition_key=st.none() | st.text(max_size=5),
)
CREDENTIALS = st.builds(
    Credential,
    auth_id=st.sampled_from(["wiki", "wiki 2", 'w","x', "bücher"]),
    sites=st.lists(st.sampled_from(["wiki.example", "a.wiki.example", "::1"]), max_size=3, unique=True).map(tuple),
    cookies=st.lists(COOKIES, max_size=3).map(tuple),
)
VERSIONS = st.integers(1, 2**63 - 1)
PLACES = st.tuples(st.text(max_size=5), st.sampled_from(["wiki", "wiki 2"]), VERSIONS, st.sampled_from([(), ("::1",)]))


@given(CREDENTIALS)
def test_decode_credential_gives_what_encode_credential_took(credential: Credential) -> None:
    """No cookie changes by being written and read."""
    plain = encode_credential(credential)

    assert decode_credential(plain, auth_id=credential.auth_id, sites=credential.sites) == credential


@given(CREDENTIALS, KEYS, st.text(max_size=5), VERSIONS)
def test_vault_opens_what_it_sealed(credential: Credential, key: Key, database_id: str, version: int) -> None:
    """Whatever is sealed is opened by the same key in the same database."""
    sealed = Vault(key, database_id).seal(credential, version=version, now=0.0)

    assert Vault(key, database_id).open(sealed) == credential


@given(CREDENTIALS, KEYS, st.data())
def test_vault_refuses_a_seal_with_any_bit_changed(credential: Credential, key: Key, data: st.DataObject) -> None:
    """One bit of nonce or ciphertext that is not as it was is found."""
    sealed = Vault(key, "d").seal(credential, version=1, now=0.0)
    field = data.draw(st.sampled_from(["nonce", "ciphertext"]))
    content = bytearray(getattr(sealed, field))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = msgspec.structs.replace(sealed, **{field: bytes(content)})

    assert is_refused(Vault(key, "d"), changed)


@given(PLACES, PLACES)
def test_vault_refuses_a_seal_in_any_other_place(
    sealed_at: tuple[str, str, int, tuple[str, ...]], opened_at: tuple[str, str, int, tuple[str, ...]]
) -> None:
    """A seal opens in its database, under its name, version and sites, and in no other place."""
    assume(sealed_at != opened_at)
    key = Key(b"k" * 32)
    database_id, auth_id, version, sites = sealed_at
    sealed = Vault(key, database_id).seal(
        Credential(auth_id=auth_id, sites=sites, cookies=()), version=version, now=0.0
    )

    database_id, auth_id, version, sites = opened_at
    moved = msgspec.structs.replace(sealed, auth_id=auth_id, version=version, sites=sites)

    assert is_refused(Vault(key, database_id), moved)


def is_refused(vault: Vault, sealed: SealedCredential) -> bool:
    try:
        vault.open(sealed)
    except SealError:
        return True
    return False
