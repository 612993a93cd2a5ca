"""The seal: it opens where it was made, and nowhere else."""

from __future__ import annotations

from traceback import walk_tb
from typing import Any

import msgspec
import pytest

from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential
from bequest.engine.errors import SealError
from bequest.engine.keys import Key
from bequest.engine.records import SealedCredential
from bequest.engine.secret import Secret
from bequest.engine.vault import FORMAT, Vault

KEY = Key(b"k" * 32)
OTHER_KEY = Key(b"o" * 32)
DATABASE = "0b1f8a52-6d0e-4b7e-9a3c-000000000001"
CREDENTIAL = Credential(
    auth_id="wiki",
    sites=("wiki.example", "127.0.0.1"),
    cookies=(
        Cookie(
            name="sid", value=Secret("canary"), domain="wiki.example", host_only=False, same_site="Lax", secure=True
        ),
        Cookie(name="old", value=Secret("canary"), domain="127.0.0.1", host_only=True, path="/a", expires=1.5),
    ),
)


def sealed_of(credential: Credential = CREDENTIAL, *, version: int = 3) -> SealedCredential:
    return Vault(KEY, DATABASE).seal(credential, version=version, now=12.0)


def test_vault_opens_what_it_sealed() -> None:
    """A credential comes out of the seal as it went in."""
    sealed = sealed_of()

    assert Vault(KEY, DATABASE).open(sealed) == CREDENTIAL


def test_sealed_credential_says_what_it_is_of() -> None:
    """The record names its credential, version, key, sites and time, and its nonce is of the source that was given."""
    sealed = Vault(KEY, DATABASE).seal(CREDENTIAL, version=3, now=12.0, random_bytes=lambda count: b"n" * count)

    assert (sealed.auth_id, sealed.version, sealed.key_id) == ("wiki", 3, KEY.id)
    assert (sealed.sites, sealed.updated_at, sealed.nonce) == (("wiki.example", "127.0.0.1"), 12.0, b"n" * 12)


def test_seal_is_another_each_time() -> None:
    """Two seals of one credential have different nonces, and so different ciphertexts."""
    first, second = sealed_of(), sealed_of()

    assert first.nonce != second.nonce
    assert first.ciphertext != second.ciphertext


def test_sealed_credential_holds_no_value_in_the_clear() -> None:
    """Neither the record nor the vault shows a value or the key (I16)."""
    vault = Vault(KEY, DATABASE)
    sealed = vault.seal(CREDENTIAL, version=1, now=0.0)

    written = msgspec.json.encode(sealed) + sealed.ciphertext + repr((sealed, vault)).encode()

    assert b"canary" not in written
    assert KEY.reveal() not in written
    assert KEY.encode().encode() not in written


def test_vault_refuses_another_key_and_names_both() -> None:
    """What another key sealed does not open, and the message names the two keys."""
    vault = Vault(OTHER_KEY, DATABASE)

    with pytest.raises(SealError, match=rf"'wiki' was sealed with key {KEY.id}, found key {OTHER_KEY.id}"):
        vault.open(sealed_of())


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_id": "admin"},
        {"version": 2},
        {"version": 4},
        {"sites": ("wiki.example",)},
        {"sites": ("127.0.0.1", "wiki.example")},
        {"sites": ("wiki.example", "127.0.0.1", "evil.example")},
        {"sites": ('wiki.example","127.0.0.1',)},
        {"nonce": b"n" * 12},
        {"nonce": b""},
        {"nonce": b"n" * 11},
        {"nonce": b"n" * 13},
        {"ciphertext": b""},
        {"ciphertext": b"c" * 15},
        {"ciphertext": b"c" * 16},
        {"ciphertext": b"c" * 64},
    ],
)
def test_vault_refuses_a_row_that_was_changed(changes: dict[str, Any]) -> None:
    """A seal opens under its own name, version and sites alone; a swapped or widened row is refused (I17)."""
    changed = msgspec.structs.replace(sealed_of(), **changes)

    with pytest.raises(SealError, match="was changed after it was sealed") as caught:
        Vault(KEY, DATABASE).open(changed)

    assert repr(changed.auth_id) in str(caught.value)


def test_vault_refuses_a_row_of_another_database() -> None:
    """A row that was copied from another database with the same key does not open."""
    vault = Vault(KEY, "0b1f8a52-6d0e-4b7e-9a3c-000000000002")

    with pytest.raises(SealError, match="was changed"):
        vault.open(sealed_of())


def test_vault_refuses_a_key_id_that_was_changed_to_its_own() -> None:
    """A record of another key that claims to be of this one does not open."""
    forged = msgspec.structs.replace(sealed_of(), key_id=OTHER_KEY.id)

    with pytest.raises(SealError, match="was changed"):
        Vault(OTHER_KEY, DATABASE).open(forged)


def test_vault_names_a_seal_whose_content_it_does_not_know() -> None:
    """What a later release sealed with more in it is an error that shows nothing of it (I16)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = sealed_of()
    bound = msgspec.json.encode([FORMAT, DATABASE, "wiki", 3, sealed.sites, KEY.id])
    content = AESGCM(KEY.reveal()).encrypt(sealed.nonce, b'[{"canary": "canary"}]', bound)

    with pytest.raises(SealError, match="holds what this release does not know") as caught:
        Vault(KEY, DATABASE).open(msgspec.structs.replace(sealed, ciphertext=content))

    assert "canary" not in str(caught.value)


def test_vault_refuses_a_seal_that_was_cut_short_or_grew() -> None:
    """Not one byte may be missing at the end, nor be too many."""
    sealed = sealed_of()

    for ciphertext in (sealed.ciphertext[:-1], sealed.ciphertext[1:], sealed.ciphertext + b"x"):
        with pytest.raises(SealError, match="'wiki' was changed after it was sealed as version 3 with key"):
            Vault(KEY, DATABASE).open(msgspec.structs.replace(sealed, ciphertext=ciphertext))


def test_vault_says_what_to_do_about_a_seal_that_does_not_open() -> None:
    """Each message names the credential and the ways out of it."""
    sealed = sealed_of()
    cut = msgspec.structs.replace(sealed, ciphertext=b"")
    changed = msgspec.structs.replace(sealed, version=4)

    said = []
    for key, one in ((KEY, cut), (KEY, changed), (OTHER_KEY, sealed)):
        with pytest.raises(SealError) as caught:
            Vault(key, DATABASE).open(one)
        said.append(str(caught.value))

    assert all(text.startswith("credential 'wiki' was ") and "bequest auth add" in text for text in said)
    assert "expected 12 bytes of nonce and 16 or more of content, found 12 and 0; restore a backup" in said[0]
    assert f"sealed as version 4 with key {KEY.id}, or is of another row or database; restore a backup" in said[1]
    assert "as a line below the newest in the key file" in said[2]


# Several keys


def test_vault_opens_what_a_former_key_sealed() -> None:
    """Behind a new key the former one opens, and what is sealed from then on is the new one's."""
    vault = Vault(Key(b"n" * 32, former=[KEY, OTHER_KEY]), DATABASE)

    resealed = vault.seal(vault.open(sealed_of()), version=4, now=12.0)

    assert vault.open(resealed) == CREDENTIAL
    assert resealed.key_id == vault.key_id == Key(b"n" * 32).id
    with pytest.raises(SealError, match=f"found keys {KEY.id}, {OTHER_KEY.id}; use the key that it was stored with"):
        Vault(Key(b"k" * 32, former=[OTHER_KEY]), DATABASE).open(resealed)


def test_vault_opens_nothing_under_the_id_of_another_of_its_keys() -> None:
    """The id of the key is part of what is sealed: exchanged for that of the new key, the seal does not open."""
    forged = msgspec.structs.replace(sealed_of(), key_id=OTHER_KEY.id)

    with pytest.raises(SealError, match="was changed"):
        Vault(Key(b"o" * 32, former=[KEY]), DATABASE).open(forged)


@pytest.mark.parametrize("content", [b'[{"canary": "canary"}]', b"canary", b'{"cookies": "canary"}', b"\xffcanary"])
def test_seal_that_holds_something_else_stays_out_of_the_variables_of_a_traceback(content: bytes) -> None:
    """Whoever logs the variables of every frame logs nothing of what was opened (I16)."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = sealed_of()
    bound = msgspec.json.encode([FORMAT, DATABASE, "wiki", 3, sealed.sites, KEY.id])
    other = msgspec.structs.replace(sealed, ciphertext=AESGCM(KEY.reveal()).encrypt(sealed.nonce, content, bound))

    with pytest.raises(SealError, match="holds what this release does not know") as caught:
        Vault(KEY, DATABASE).open(other)

    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__) if "/engine/" in frame.f_code.co_filename]
    assert frames
    assert "canary" not in repr([frame.f_locals for frame in frames])
    assert caught.value.__context__ is None
