"""Owns the seal on secrets: AES-256-GCM with the row that it belongs to as associated data (I16).

What is sealed opens only with the same key, in the same database, under the same name, at the same version and for the
same sites, so that neither rows nor scopes can be swapped. The newest key seals; it and the former ones open.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence

import msgspec

from .credentials import Credential, decode_credential, encode_credential
from .errors import SealError
from .keys import Key
from .records import SealedCredential

NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
TAG_BYTES = 16  # behind what is enciphered
FORMAT = "bequest/credential/1"
REMEDY = "restore a backup, or store it again with `bequest auth add`"


class Vault:
    """Seals and opens the credentials of one database."""

    def __init__(self, key: Key, database_id: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.key_id = key.id  # of the key that seals
        self._ciphers = {one.id: AESGCM(one.reveal()) for one in (key, *key.former)}
        self._database_id = database_id

    def seal(
        self, credential: Credential, *, version: int, now: float, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> SealedCredential:
        """Return *credential* sealed for that version of its row."""
        sealed = SealedCredential(
            auth_id=credential.auth_id,
            version=version,
            key_id=self.key_id,
            nonce=random_bytes(NONCE_BYTES),
            ciphertext=b"",
            sites=credential.sites,
            updated_at=now,
        )
        cipher = self._ciphers[self.key_id]
        content = cipher.encrypt(sealed.nonce, encode_credential(credential), self._bound_to(sealed))
        return msgspec.structs.replace(sealed, ciphertext=content)

    def open(self, sealed: SealedCredential) -> Credential:
        """Return the credential; raises ``SealError``: another key or release sealed it, or it was changed."""
        named = f"credential {sealed.auth_id!r}"
        if sealed.key_id not in self._ciphers:
            raise SealError(f"{named} was {other_key(sealed.key_id, tuple(self._ciphers))}")
        if len(sealed.nonce) != NONCE_BYTES or len(sealed.ciphertext) < TAG_BYTES:
            expected = f"{NONCE_BYTES} bytes of nonce and {TAG_BYTES} or more of content"
            found = f"{len(sealed.nonce)} and {len(sealed.ciphertext)}"
            raise SealError(f"{named} was changed after it was sealed: expected {expected}, found {found}; {REMEDY}")
        opened = self._opened(sealed)
        if opened is None:
            raise SealError(
                f"{named} was changed after it was sealed as version {sealed.version} with key {sealed.key_id},"
                f" or is of another row or database; {REMEDY}"
            )
        if isinstance(opened, str):
            raise SealError(f"{named} {opened}")
        return opened

    def _opened(self, sealed: SealedCredential) -> Credential | str | None:
        """Return the credential, what is wrong with it in words, or None where the seal does not hold.

        No error leaves it: a traceback may show the variables of its frames, and one of these holds the secret.
        """
        from cryptography.exceptions import InvalidTag

        with contextlib.suppress(InvalidTag):
            plain = self._ciphers[sealed.key_id].decrypt(sealed.nonce, sealed.ciphertext, self._bound_to(sealed))
            with contextlib.suppress(msgspec.MsgspecError):
                return decode_credential(plain, auth_id=sealed.auth_id, sites=sealed.sites)
            return "holds what this release does not know; install the newer one, or store it again"
        return None

    def _bound_to(self, sealed: SealedCredential) -> bytes:
        """Return the associated data; JSON, because joined texts could be split elsewhere."""
        place = [FORMAT, self._database_id, sealed.auth_id, sealed.version, sealed.sites, sealed.key_id]
        return msgspec.json.encode(place)


def other_key(sealed_with: str, found: Sequence[str], where: str = "") -> str:
    """Return what is said of a credential that none of the keys *found*, which are from *where*, opens."""
    keys = f"key {found[0]}" if len(found) == 1 else f"keys {', '.join(found)}"
    return (
        f"sealed with key {sealed_with}, found {keys}{where and ' from '}{where}; use the key that it was stored with"
        " (for a backup that of its time), as a line below the newest in the key file, or store it again with"
        " `bequest auth add`"
    )
