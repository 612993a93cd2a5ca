"""The codes of an authenticator app, and seeds as sites show them."""

from __future__ import annotations

import base64

import pytest

from bequest.engine.errors import CredentialError
from bequest.engine.secret import Secret
from bequest.engine.totp import Totp, is_uri

SEED = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B
LENGTHS = {"SHA1": 20, "SHA256": 32, "SHA512": 64}
TIMES = (59, 1_111_111_109, 1_111_111_111, 1_234_567_890, 2_000_000_000, 20_000_000_000)
CODES = {
    "SHA1": ("94287082", "07081804", "14050471", "89005924", "69279037", "65353130"),
    "SHA256": ("46119246", "68084774", "67062674", "91819424", "90698825", "77737706"),
    "SHA512": ("90693936", "25091201", "99943326", "93441116", "38618901", "47863826"),
}


def code(given: str, now: float) -> str:
    return Totp.read(Secret(given)).code(now).reveal()


@pytest.mark.parametrize("algorithm", LENGTHS)
def test_codes_are_those_of_the_rfc(algorithm: str) -> None:
    """Every test vector of RFC 6238 is met."""
    length = LENGTHS[algorithm]
    seed = base64.b32encode((b"1234567890" * 7)[:length]).decode().rstrip("=")
    uri = f"otpauth://totp/Wiki:keeper?secret={seed}&issuer=Wiki&algorithm={algorithm}&digits=8&period=30"

    assert tuple(code(uri, now) for now in TIMES) == CODES[algorithm]


@pytest.mark.parametrize(
    "given",
    [
        SEED,
        SEED.lower(),
        "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ\n",
        f" otpauth://totp/Wiki?secret={SEED}",
        f"OTPAUTH://TOTP/?algorithm=sha-1&secret={SEED.lower()}",
    ],
)
def test_seed_is_read_in_every_spelling(given: str) -> None:
    """What else a site says of it left out, codes have six digits, thirty seconds and SHA-1."""
    assert code(given, 59.9) == "287082"


def test_short_seed_of_many_sites_is_taken() -> None:
    """Eighty bits are less than RFC 4226 asks for, and what many sites give out."""
    assert len(code("JBSWY3DPEHPK3PXP", 0)) == 6


def test_period_of_the_uri_holds() -> None:
    """A code of sixty seconds is the same over all of them."""
    totp = Totp.read(Secret(f"otpauth://totp/x?secret={SEED}&period=60"))

    assert totp.code(60) == totp.code(119.9) != totp.code(120)
    assert (totp.left_s(60), totp.left_s(119.5)) == (60.0, 0.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("canary!", "letters and the digits 2 to 7"),
        ("canar", "at least 10 bytes, found 3"),
        ("kanaré", "letters and the digits 2 to 7"),
        ("", "at least 10 bytes, found 0"),
        ("CANARY22", "at least 10 bytes, found 5"),
        ("otpauth://hotp/canary?secret=" + SEED, "one of another kind"),
        ("otpauth://totp/canary", "at least 10 bytes, found 0"),
        ("otpauth://[canary", "cannot be read"),
        (f"otpauth://totp/x?secret={SEED}&algorithm=canary", "SHA1, SHA256, SHA512"),
        (f"otpauth://totp/x?secret={SEED}&digits=5", "6 to 8 digits"),
        (f"otpauth://totp/x?secret={SEED}&digits=canary", "6 to 8 digits"),
        (f"otpauth://totp/x?secret={SEED}&period=0", "period of 10 to 300 s"),
        (f"otpauth://totp/x?secret={SEED}&period=9999999999999", "period of 10 to 300 s"),
    ],
)
def test_wrong_seed_is_refused_and_not_quoted(given: str, said: str) -> None:
    """The error says what was expected and nothing of what was given."""
    with pytest.raises(CredentialError, match=said) as caught:
        Totp.read(Secret(given))

    assert "canar" not in str(caught.value).lower()
    assert caught.value.__cause__ is None
    assert SEED not in str(caught.value)


def test_seed_shows_nowhere() -> None:
    """Neither the seed nor a code is in what is printed of them."""
    totp = Totp.read(Secret(SEED))

    assert SEED not in repr(totp)
    assert "287082" not in repr(totp.code(59))


def test_uri_is_told_from_other_secrets() -> None:
    """A secret that is an otpauth URI says so itself."""
    assert [is_uri(Secret(text)) for text in (" OTPAUTH://totp/x", "otpauth", SEED)] == [True, False, False]
