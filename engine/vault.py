"""Owns the seal on secrets: AES-256-GCM with the row that it belongs to as associated data (I16).

What is sealed opens only with the same key, in the same database, under the same name, at the same version and for the
same sites, so that neither rows nor scopes can be swapped.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import msgspec

from .credentials import Credential, decode_credential, encode_credential
from .errors import SealError
from .keys import Key
from .records import SealedCredential

NONCE_BYTES = 12  # NIST SP 800-38D, 8.2: 96 bits
FORMAT = "bequest/credential/1"


class Vault:
    """Seals and opens the credentials of one database."""

    def __init__(self, key: Key, database_id: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._key_id = key.id
        self._cipher = AESGCM(key.reveal())
        self._database_id = database_id

    def seal(
        self, credential: Credential, *, version: int, now: float, random_bytes: Callable[[int], bytes] = os.urandom
    ) -> SealedCredential:
        """Return *credential* sealed for that version of its row."""
        nonce = random_bytes(NONCE_BYTES)
        bound = self._bound_to(credential.auth_id, version, credential.sites)
        return SealedCredential(
            auth_id=credential.auth_id,
            version=version,
            key_id=self._key_id,
            nonce=nonce,
            ciphertext=self._cipher.encrypt(nonce, encode_credential(credential), bound),
            sites=credential.sites,
            updated_at=now,
        )

    def open(self, sealed: SealedCredential) -> Credential:
        """Return the credential; raises ``SealError``: another key or release sealed it, or it was changed."""
        from cryptography.exceptions import InvalidTag

        if sealed.key_id != self._key_id:
            raise SealError(
                f"credential {sealed.auth_id!r} was sealed with key {sealed.key_id}, found key {self._key_id};"
                " use the key that it was stored with, or store it again"
            )
        bound = self._bound_to(sealed.auth_id, sealed.version, sealed.sites)
        try:
            plain = self._cipher.decrypt(sealed.nonce, sealed.ciphertext, bound)
        except (InvalidTag, ValueError):
            raise SealError(f"credential {sealed.auth_id!r} was changed after it was sealed; store it again") from None
        try:
            return decode_credential(plain, auth_id=sealed.auth_id, sites=sealed.sites)
        except msgspec.MsgspecError:
            raise SealError(
                f"credential {sealed.auth_id!r} holds what this release does not know; store it again"
            ) from None

    def _bound_to(self, auth_id: str, version: int, sites: tuple[str, ...]) -> bytes:
        """Return the associated data; JSON, because joined texts could be split elsewhere."""
        return msgspec.json.encode([FORMAT, self._database_id, auth_id, version, sites, self._key_id])
