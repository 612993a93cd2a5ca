"""Headers and storages of a session know their origin, and are refused where HTTP has none such."""

from __future__ import annotations

import base64

import pytest

from bequest.engine.errors import CredentialError
from bequest.engine.secret import Secret
from bequest.engine.sessions import NOT_OURS, OriginHeader, OriginStorage, Session

WIKI = "https://wiki.example"


@pytest.mark.parametrize("password", ["böse:canary", Secret("böse:canary")])
def test_basic_header_is_encoded_as_utf_8(password: str | Secret) -> None:
    """User and password are joined by a colon; the password may have more of them (RFC 7617)."""
    header = OriginHeader.basic(WIKI, user="ada", password=password)

    scheme, _, token = header.value.reveal().partition(" ")
    assert (header.name, scheme) == ("Authorization", "Basic")
    assert base64.b64decode(token).decode() == "ada:böse:canary"


def test_basic_user_has_no_colon() -> None:
    """A colon would end the user's name, and neither part is shown (I16)."""
    with pytest.raises(CredentialError, match="has no colon") as caught:
        OriginHeader.basic(WIKI, user="canary:b", password="canary")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("user", ["\ud800", "a"])
def test_basic_login_in_no_unicode_is_refused_unseen(user: str) -> None:
    """Half of a character is an error of ours, without the value that Python's own would hold (I16)."""
    with pytest.raises(CredentialError, match="that are no Unicode") as caught:
        OriginHeader.basic(WIKI, user=user, password="canary\ud800")

    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("token", ["canary", Secret("canary")])
def test_bearer_header_has_the_token(token: str | Secret) -> None:
    """The token stands behind its scheme (RFC 6750)."""
    header = OriginHeader.bearer(WIKI, token=token)

    assert (header.origin, header.name, header.value.reveal()) == (WIKI, "Authorization", "Bearer canary")


@pytest.mark.parametrize("value", ["", " canary", "canary ", "canary\r\nHost: x", "canary\x00", "canary\u20ac", "\x7f"])
def test_header_value_that_no_header_has_is_refused(value: str) -> None:
    """An empty value, white space around it, line ends and other characters are refused, unseen (I16)."""
    with pytest.raises(CredentialError, match="header 'X-Key' holds characters") as caught:
        OriginHeader(origin=WIKI, name="X-Key", value=Secret(value))

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "ü", *sorted(NOT_OURS), "COOKIE", "Host"])
def test_header_name_that_is_no_sessions_is_refused(name: str) -> None:
    """What is no name, and what belongs to the connection, to the browser or to the cookies, is refused."""
    with pytest.raises(CredentialError, match="such as Authorization"):
        OriginHeader(origin=WIKI, name=name, value=Secret("canary"))


@pytest.mark.parametrize("origin", ["https://wiki.example/", "https://Wiki.example", "https://wiki.example:443"])
def test_header_and_storage_have_canonical_origins(origin: str) -> None:
    """An origin that no request's would ever equal is refused with the one that is meant."""
    with pytest.raises(CredentialError, match=r"write 'https://wiki\.example'"):
        OriginHeader(origin=origin, name="X-Key", value=Secret("canary"))
    with pytest.raises(CredentialError, match=r"write 'https://wiki\.example'"):
        OriginStorage(origin=origin)


def test_session_shows_no_value() -> None:
    """Neither headers nor storages show what they hold (I16)."""
    session = Session(
        headers=(OriginHeader.bearer(WIKI, token="canary"),),
        storages=(
            OriginStorage(
                origin=WIKI,
                local={"a": Secret("canary")},
                session={"b": Secret("canary")},
                indexed_db=Secret("canary"),
            ),
        ),
    )

    assert "canary" not in f"{session} {session!r} {session!s}"
