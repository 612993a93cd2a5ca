"""What a credential is for, how it comes from a file, and that it shows nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from bequest.engine import session_files
from bequest.engine.cookies import Cookie
from bequest.engine.credentials import Credential, decode_credential, encode_credential
from bequest.engine.errors import CredentialError, CredentialFormatError
from bequest.engine.secret import Secret
from bequest.engine.sessions import Narrowed, OriginHeader, OriginStorage, Skipped

NOW = 1_000_000.0
SID = Cookie(name="sid", value=Secret("canary"), domain="wiki.example", host_only=True)


def credential_of(*cookies: Cookie, sites: Sequence[str] = ("wiki.example",)) -> Credential:
    return Credential(auth_id="wiki", sites=tuple(sites), cookies=cookies)


def written(folder: Path, *lines: str) -> Path:
    path = folder / "cookies.txt"
    path.write_text("\n".join(lines))
    return path


def line_of(domain: str, *, name: str = "sid", expiry: int = 0) -> str:
    return f"{domain}\tFALSE\t/\tFALSE\t{expiry}\t{name}\tcanary"


@pytest.mark.parametrize(
    ("site", "host"),
    [
        ("wiki.example", "wiki.example"),
        ("wiki.example", "WWW.Wiki.Example."),
        ("xn--bcher-kva.example", "www.bücher.example"),
        ("alice.github.io", "alice.github.io"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "127.1"),
        ("::1", "::1"),
        ("::1", "[0:0:0:0:0:0:0:1]"),
        ("localhost", "localhost"),
    ],
)
def test_credential_covers_its_sites_and_what_is_under_them(site: str, host: str) -> None:
    """A host is covered in whatever spelling a browser would take for the site or a name under it."""
    assert credential_of(sites=[site]).covers(host)


@pytest.mark.parametrize(
    ("site", "host"),
    [
        ("wiki.example", "evilwiki.example"),
        ("www.wiki.example", "wiki.example"),
        ("www.wiki.example", "shop.wiki.example"),
        ("wiki.example", "wiki.example.evil.example"),
        ("alice.github.io", "bob.github.io"),
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "a.127.0.0.1"),
        ("localhost", "www.localhost"),
        ("wiki.example", "wiki.example:8080"),
        ("wiki.example", "[wiki.example]"),
        ("wiki.example", ""),
        ("wiki.example", "https://wiki.example/"),
    ],
)
def test_credential_covers_no_other_host(site: str, host: str) -> None:
    """A parent, a sibling, a longer name, another address and what is no host are not covered (I17)."""
    assert not credential_of(sites=[site]).covers(host)


@pytest.mark.parametrize("auth_id", ["a", "wiki", "my wiki", "bücher", "x" * 200])
def test_credential_name_is_printable(auth_id: str) -> None:
    """Up to 200 printable characters are a name."""
    assert Credential(auth_id=auth_id, sites=(), cookies=()).auth_id == auth_id


@pytest.mark.parametrize("auth_id", ["", " wiki", "wiki ", "a\nb", "a\x00", "a\x7f", "a\u202eb", "x" * 201])
def test_credential_name_is_refused(auth_id: str) -> None:
    """What is empty, too long, not printable or has white space around it names no credential."""
    with pytest.raises(CredentialError, match="1 to 200 printable characters"):
        Credential(auth_id=auth_id, sites=(), cookies=())


@pytest.mark.parametrize("site", ["com", "co.uk", "github.io"])
def test_credential_site_is_no_public_suffix(site: str, tmp_path: Path) -> None:
    """A session is not for everybody under a public suffix, however the credential is made (I17)."""
    with pytest.raises(CredentialError, match="public suffix"):
        credential_of(sites=[site])
    with pytest.raises(CredentialError, match="public suffix"):
        Credential.from_file(tmp_path / "unread.txt", auth_id="wiki", sites=[site])


def test_credential_made_by_hand_has_canonical_sites() -> None:
    """A site that no host would ever match is refused, with the spelling that is meant."""
    with pytest.raises(CredentialError, match=r"write 'wiki\.example'"):
        credential_of(sites=["Wiki.Example."])


@pytest.mark.parametrize(
    "site",
    [
        "https://wiki.example/",
        "https://wiki.example:8443/a?token=canary",
        "http://wiki.example#canary",
        "wiki.example:8080",
        "wiki.example/canary",
    ],
)
def test_credential_site_error_says_what_to_write(site: str, tmp_path: Path) -> None:
    """A URL in the place of a site is refused with the host to write, and without its path and query (I16)."""
    with pytest.raises(CredentialError, match=r"leave out scheme and path and port: write 'wiki\.example'") as caught:
        Credential.from_file(tmp_path / "unread.txt", auth_id="wiki", sites=[site])

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("site", ["", "*.wiki.example", "a b", "https://user:canary@wiki.example/", "ftp://canary/"])
def test_credential_site_that_is_no_host_is_not_quoted(site: str, tmp_path: Path) -> None:
    """What holds no host is refused without showing it."""
    with pytest.raises(CredentialError, match="leave out scheme and path") as caught:
        Credential.from_file(tmp_path / "unread.txt", auth_id="wiki", sites=[site])

    assert "canary" not in str(caught.value)


def test_credential_from_file_takes_the_sites_that_it_is_given(tmp_path: Path) -> None:
    """Sites are put in canonical form, and each is named once."""
    path = written(tmp_path, line_of("wiki.example"))

    credential = Credential.from_file(path, auth_id="wiki", sites=["Wiki.Example.", "wiki.example", "[::1]"])

    assert credential == Credential(auth_id="wiki", sites=("wiki.example", "::1"), cookies=(SID,))


def test_credential_from_file_finds_the_sites_of_its_cookies(tmp_path: Path) -> None:
    """Without sites it is for the registrable domains of its cookies; a public suffix is nobody's and left out."""
    domains = ["www.wiki.co.uk", ".wiki.co.uk", "alice.github.io", "github.io", "127.0.0.1", "localhost"]
    path = written(tmp_path, *map(line_of, domains))

    credential = Credential.from_file(str(path), auth_id="wiki")

    assert credential.sites == ("127.0.0.1", "alice.github.io", "localhost", "wiki.co.uk")


def test_credential_from_file_reads_a_pipe(tmp_path: Path) -> None:
    """A session may come through a pipe, which has no size, so that it need not lie in a file."""
    reading, writing = os.pipe()
    os.write(writing, line_of("wiki.example").encode())
    os.close(writing)

    credential = Credential.from_file(f"/dev/fd/{reading}", auth_id="wiki")
    os.close(reading)

    assert credential.cookies == (SID,)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xff\xfecanary", "found no text"),
        (b"canary", "line 1"),
    ],
)
def test_credential_from_file_error_shows_no_content(content: bytes, found: str, tmp_path: Path) -> None:
    """A file that holds no session is named, and nothing of what it holds is shown (I16)."""
    path = tmp_path / "cookies.txt"
    path.write_bytes(content)

    with pytest.raises(CredentialFormatError, match=found) as caught:
        Credential.from_file(path, auth_id="wiki")

    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


def test_credential_from_file_reads_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is too long is refused after as many bytes, and a pipe that never ends too."""
    monkeypatch.setattr(session_files, "MAX_FILE_BYTES", 50)
    path = written(tmp_path, line_of("wiki.example"))
    assert Credential.from_file(path, auth_id="wiki").cookies == (SID,)

    path.write_text("canary" * 10)

    for endless in (path, Path("/dev/zero")):
        with pytest.raises(CredentialFormatError, match="found more than 50 bytes; name a cookies file") as caught:
            Credential.from_file(endless, auth_id="wiki")
        assert "canary" not in str(caught.value)


def test_credential_from_file_names_what_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and a home of nobody are named with the cause."""
    for path, found in [
        (tmp_path / "none.txt", "No such file"),
        (tmp_path, "Is a directory"),
        (Path("~no-such-user-here/cookies.txt"), "no user of that name"),
    ]:
        with pytest.raises(CredentialFormatError, match=found):
            Credential.from_file(path, auth_id="wiki")


def test_credential_from_file_expands_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the user's home."""
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, line_of("wiki.example"))

    assert Credential.from_file("~/cookies.txt", auth_id="wiki").cookies == (SID,)


def test_credential_admits_what_can_be_used() -> None:
    """Cookies that have expired are skipped and named while another can be used."""
    old = Cookie(name="old", value=Secret("canary"), domain="wiki.example", host_only=True, expires=NOW)

    admission = credential_of(SID, old).admitted(NOW)

    assert admission.cookies == (SID,)
    assert admission.skipped == (Skipped(kind="cookie", name="old", reason="expired"),)


def test_credential_admits_headers_and_storages_of_its_sites() -> None:
    """A header and a storage of another host are skipped and named by origin (I17); the kept ones are counted."""
    inside, outside = "https://www.wiki.example:8443", "https://evil.example"
    credential = Credential(
        auth_id="wiki",
        sites=("wiki.example",),
        headers=(OriginHeader.bearer(inside, token="canary"), OriginHeader.bearer(outside, token="canary")),
        storages=(OriginStorage(origin=inside), OriginStorage(origin=outside)),
    )

    admission = credential.admitted(NOW)

    assert [one.origin for one in admission.headers] == [one.origin for one in admission.storages] == [inside]
    assert [(one.kind, one.name, one.reason) for one in admission.skipped] == [
        ("header", "Authorization for https://evil.example", "outside the credential's sites"),
        ("storage", "https://evil.example", "outside the credential's sites"),
    ]
    assert admission.counts == {"cookies": 0, "headers": 1, "storages": 1}
    assert not admission.is_empty


def test_credential_says_which_cookies_it_narrowed() -> None:
    """A cookie of the parent domain is used for the sites alone, and the account says so (I17)."""
    wide = msgspec.structs.replace(SID, host_only=False)
    credential = credential_of(wide, sites=["www.wiki.example", "docs.wiki.example"])

    admission = credential.admitted(NOW)

    assert admission.narrowed == (
        Narrowed(name="sid", domain="wiki.example", sites=("www.wiki.example", "docs.wiki.example")),
    )
    assert credential_of(wide).admitted(NOW).narrowed == ()


def test_credential_of_parts_that_cannot_be_used_says_why() -> None:
    """A header for another host alone is no session; looking at it raises nothing."""
    credential = Credential(
        auth_id="wiki", sites=("wiki.example",), headers=(OriginHeader.bearer("https://a.example", token="canary"),)
    )

    assert credential.examined(NOW).is_empty
    with pytest.raises(CredentialFormatError, match="none of its 1 parts can be used"):
        credential.admitted(NOW)


def test_credential_with_a_secret_alone_can_be_used() -> None:
    """A login that is yet to be made has a password and nothing else."""
    credential = Credential(auth_id="wiki", sites=("wiki.example",), secrets={"password": Secret("canary")})

    assert credential.admitted(NOW).is_empty


def test_credential_secret_has_a_name() -> None:
    """A secret without a name could not be asked for."""
    with pytest.raises(CredentialError, match="has no name") as caught:
        Credential(auth_id="wiki", sites=(), secrets={"": Secret("canary")})

    assert "canary" not in str(caught.value)


def test_credential_from_text_is_for_the_host_of_a_curl_command() -> None:
    """What was copied may be given as a text; the format says whom it is for, unless sites are given."""
    text = "curl https://www.wiki.example/ -b sid=canary"

    copied = Credential.from_text(text, auth_id="wiki")
    scoped = Credential.from_text(text, auth_id="wiki", sites=["wiki.example"])

    assert (copied.sites, scoped.sites) == (("www.wiki.example",), ("wiki.example",))
    assert copied.cookies == scoped.cookies
    assert [one.domain for one in copied.cookies] == ["www.wiki.example"]


def test_credential_from_text_names_the_host_of_cookies_without_one() -> None:
    """Beside a scope a host says where the cookies of a header are from."""
    credential = Credential.from_text("sid=canary", auth_id="wiki", sites=["wiki.example"], host="www.wiki.example")

    assert [one.domain for one in credential.cookies] == ["www.wiki.example"]
    assert credential.sites == ("wiki.example",)


@pytest.mark.parametrize("text", ["curl https://github.io/ -b sid=canary", "Host: com\nCookie: sid=canary"])
def test_credential_of_a_public_suffix_is_refused(text: str) -> None:
    """A format that says a public suffix is not believed (I17)."""
    with pytest.raises(CredentialError, match="public suffix"):
        Credential.from_text(text, auth_id="wiki")


def test_credential_with_no_usable_cookie_says_why(tmp_path: Path) -> None:
    """A file of which nothing can be used is read, and refused with the reasons when it is to be used."""
    path = written(tmp_path, line_of("wiki.example", expiry=1), line_of("shop.example"))
    credential = Credential.from_file(path, auth_id="wiki", sites=["wiki.example"])

    with pytest.raises(CredentialFormatError) as caught:
        credential.admitted(NOW)

    assert "none of its 2 cookies can be used (expired, outside the credential's sites)" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_credential_without_cookies_cannot_be_used() -> None:
    """An empty credential is refused like one whose cookies are useless."""
    with pytest.raises(CredentialFormatError, match="it is empty"):
        credential_of().admitted(NOW)


def test_credential_shows_no_value() -> None:
    """Neither repr, str nor format of a credential shows a cookie's value (I16)."""
    credential = credential_of(SID)

    assert "canary" not in f"{credential} {credential!r} {credential!s}"


@pytest.mark.parametrize(("written", "changed"), [(b'"sid"', b"1"), (b'"canary"', b"1"), (b'"path"', b'"more"')])
def test_decode_credential_raises_at_what_is_no_cookie_list(written: bytes, changed: bytes) -> None:
    """What was not written by ``encode_credential`` is refused, and not shown (I16)."""
    plain = encode_credential(credential_of(SID)).replace(written, changed)

    with pytest.raises(msgspec.ValidationError) as caught:
        decode_credential(plain, auth_id="wiki", sites=["wiki.example"])

    assert "canary" not in str(caught.value)


def test_encode_credential_refuses_half_of_a_character_unseen() -> None:
    """A value that UTF-8 has not is an error without it; one of Python's own would hold it (I16)."""
    broken = msgspec.structs.replace(SID, value=Secret("canary \ud800"))

    with pytest.raises(CredentialError, match="credential 'wiki' has characters that are not Unicode") as caught:
        encode_credential(credential_of(SID, broken))

    assert "canary" not in repr(caught.value)
    assert caught.value.__context__ is None


def test_encode_credential_takes_secrets_alone() -> None:
    """What is neither JSON nor a secret is not written into the sealed part, and not shown (I16)."""
    broken = msgspec.structs.replace(SID, value=Path("canary"))

    with pytest.raises(TypeError, match="expected no PosixPath in a credential") as caught:
        encode_credential(credential_of(broken))

    assert "canary" not in repr(caught.value)
