"""Owns ``Totp``: the codes that an authenticator app shows (RFC 6238), from the seed that the site gave out once."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import parse_qs, urlsplit

from .errors import CredentialError
from .records import Record
from .secret import Secret

SCHEME = "otpauth"
ALGORITHMS = ("SHA1", "SHA256", "SHA512")
DIGITS = (6, 7, 8)
PERIODS_S = range(10, 301)
MIN_SEED_BYTES = 10  # shorter ones are a typo; many sites give out no more than these 80 bits, RFC 4226 asks for 128


class Totp(Record, frozen=True, kw_only=True):
    """A seed and how codes are made of it; ``read`` makes one."""

    seed: Secret  # base32 in capitals, padded
    algorithm: str = "SHA1"
    digits: int = 6
    period_s: int = 30

    @classmethod
    def read(cls, given: Secret) -> Totp:
        """Read the seed as a site shows it: base32, or the ``otpauth://`` URI of its QR code.

        Raises ``CredentialError`` for what is none; no message quotes it.
        """
        if not is_uri(given):
            return cls(seed=_seed(given.reveal()))
        try:
            parts = urlsplit(given.reveal().strip())
            fields = {name: found[-1] for name, found in parse_qs(parts.query).items()}
        except ValueError:
            raise CredentialError("expected an otpauth:// URI, found one that cannot be read; copy it again") from None
        if parts.netloc.lower() != "totp":
            raise CredentialError(
                "expected an otpauth://totp/ URI, found one of another kind; codes by time alone are made"
            )
        algorithm = fields.get("algorithm", "SHA1").upper().replace("-", "")
        if algorithm not in ALGORITHMS:
            raise CredentialError(f"expected {', '.join(ALGORITHMS)} as the URI's algorithm, found another word")
        digits = _number(fields.get("digits", "6"))
        period_s = _number(fields.get("period", "30"))
        if digits not in DIGITS or period_s not in PERIODS_S:
            raise CredentialError(
                f"expected {DIGITS[0]} to {DIGITS[-1]} digits and a period of {PERIODS_S[0]} to {PERIODS_S[-1]} s"
                " in the otpauth:// URI, found other numbers"
            )
        return cls(seed=_seed(fields.get("secret", "")), algorithm=algorithm, digits=digits, period_s=period_s)

    def code(self, now: float) -> Secret:
        """Return the code of that moment."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.twofactor.totp import TOTP

        makers: dict[str, type[hashes.SHA1 | hashes.SHA256 | hashes.SHA512]]
        makers = {"SHA1": hashes.SHA1, "SHA256": hashes.SHA256, "SHA512": hashes.SHA512}
        key = base64.b32decode(self.seed.reveal())
        maker = TOTP(key, self.digits, makers[self.algorithm](), self.period_s, enforce_key_length=False)
        return Secret(maker.generate(int(now)).decode("ascii"))

    def left_s(self, now: float) -> float:
        """Return how long the code of *now* holds, above 0 and at most a period."""
        return self.period_s - now % self.period_s


def is_uri(given: Secret) -> bool:
    """Return whether *given* says by itself that it is the seed of codes."""
    return given.reveal().strip().lower().startswith(f"{SCHEME}:")


def _seed(text: str) -> Secret:
    """Return *text* in one spelling; people are shown it in groups of four and in small letters."""
    bare = "".join(text.split()).replace("-", "").rstrip("=").upper()
    padded = bare + "=" * (-len(bare) % 8)
    try:
        length = len(base64.b32decode(padded))
    except (binascii.Error, ValueError):
        raise CredentialError(
            "expected the seed of codes as the site shows it (letters and the digits 2 to 7), found another text"
        ) from None
    if length < MIN_SEED_BYTES:
        raise CredentialError(f"expected a seed of at least {MIN_SEED_BYTES} bytes, found {length}; copy it once more")
    return Secret(padded)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else -1
