"""Owns what must hold of each parser of foreign input, whatever the input: a target a format, called with bytes.

A target raises for a fault and for nothing else: an error of another class than the documented one, a secret in an
error's text or in its traceback, or a result that the next step cannot use.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import fuzz_seeds as seeds
from fuzz_seeds import CANARY, as_bytes, words_of

from bequest.engine.cookie_headers import read_set_cookie
from bequest.engine.cookies import admit, domain_matches, from_playwright, to_playwright
from bequest.engine.credentials import covers, credential_of, decode_credential, encode_credential
from bequest.engine.definition_files import read_definition
from bequest.engine.definitions import canonical_json, definition_digest, definition_from
from bequest.engine.errors import BequestError, CredentialError, DefinitionError, KeyFileError, UrlError
from bequest.engine.extract import extract
from bequest.engine.hosts import same_site
from bequest.engine.key_files import KeyFile
from bequest.engine.keys import Key
from bequest.engine.login_pages import is_login_url
from bequest.engine.origins import origin_of
from bequest.engine.secret import Secret
from bequest.engine.session_files import read_session
from bequest.engine.totp import Totp
from bequest.engine.urls import UrlScope, canonical_url, host_of, is_logout_url, is_page_url, url_key

NOW = 1_000_000_000.0
SITE = "wiki.example"
PAGE_URL = "https://wiki.example/guide/start?x=1"


class Target(NamedTuple):
    """A parser, and what to feed it."""

    check: Callable[[bytes], None]  # raises for a fault, and for nothing else
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()  # of the format


def check_session(data: bytes) -> None:
    """Read a session file of whatever format, make a credential of it and take that all the way to the browser."""
    for sites in ((), (SITE,)):
        try:
            credential = credential_of(read_session(data, source="f", sites=sites), auth_id="wiki", sites=sites)
            plain = encode_credential(credential)
        except CredentialError as error:
            check_refusal(error)
            continue
        assert decode_credential(plain, auth_id="wiki", sites=credential.sites) == credential
        admission = credential.examined(NOW)
        for cookie in admission.cookies:
            assert covers(credential.sites, cookie.domain)
            spelled = from_playwright(to_playwright(cookie, now=NOW))
            assert (spelled.name, spelled.value, spelled.domain) == (cookie.name, cookie.value, cookie.domain)
        assert admit(admission.cookies, sites=credential.sites, now=NOW).kept == admission.cookies


def check_set_cookie(data: bytes) -> None:
    """Read what a response sets: a cookie that its host may set, or a reason, and never an error."""
    text = _text(data)
    for at in (None, NOW):
        found = read_set_cookie(text, host=f"www.{SITE}", path="/a/b", at=at)
        if isinstance(found, str):
            assert CANARY not in found
        else:
            assert domain_matches(f"www.{SITE}", found.domain)
            assert found.path.startswith("/")
            admit([found], sites=[SITE], now=NOW)


def check_url(data: bytes) -> None:
    """Read a URL: its canonical form is its own, and every question about it is answered."""
    text = _text(data)
    for function in (canonical_url, url_key, host_of):
        with _refusing(UrlError):
            function(text)
    with contextlib.suppress(UrlError):
        canonical = canonical_url(text)
        assert canonical_url(canonical) == canonical
        assert canonical.isascii()
        assert canonical.isprintable()
        assert host_of(canonical) == host_of(text)
        assert UrlScope(seeds=(text,)).admits(text) is not is_logout_url(canonical)
        origin = origin_of(canonical)
        assert origin is not None
        assert canonical.startswith(origin)
    is_logout_url(text)
    is_page_url(text)
    is_login_url(text)
    same_site(text, SITE)


def check_page(data: bytes) -> None:
    """Extract a page: text that can be stored, and links that can be crawled, each page once."""
    content = extract(_text(data), PAGE_URL)
    for text in (content.title, content.markdown, *content.links):
        text.encode()
    canonical = [canonical_url(link) for link in content.links]
    assert len(set(canonical)) == len(canonical)
    assert all("#" not in link for link in content.links)


def check_totp(data: bytes) -> None:
    """Read the seed of codes, and make one."""
    with _refusing(CredentialError, quoting=data):
        read = Totp.read(Secret(_text(data)))
        assert len(read.code(NOW).reveal()) == read.digits
        assert 0 < read.left_s(NOW) <= read.period_s
        assert Totp.read(read.seed).seed == read.seed


def check_key_file(data: bytes) -> None:
    """Read a file of keys: what it holds is written as it was read."""
    with tempfile.NamedTemporaryFile() as opened:
        opened.write(data)
        opened.flush()
        with _refusing(KeyFileError, quoting=data):
            key = KeyFile(opened.name)()
            assert Key.decode(key.encode()).ids == key.ids


def check_toml_definition(data: bytes) -> None:
    """Read a definition in TOML."""
    _check_definition(data, ".toml")


def check_json_definition(data: bytes) -> None:
    """Read a definition in JSON."""
    _check_definition(data, ".json")


def check_refusal(error: BequestError) -> None:
    """Raise for an error that shows the canary, by itself or by one that a traceback would print before it."""
    assert str(error)
    shown: BaseException | None = error
    while shown is not None:
        assert CANARY not in f"{shown} {shown!r}", "the error shows a secret"
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


def _check_definition(data: bytes, suffix: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=suffix) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of re, about patterns that it may read otherwise one day
        opened.write(data)
        opened.flush()
        try:
            definition = read_definition(Path(opened.name))
        except DefinitionError as error:
            message = str(error)
            assert message.startswith(f"{opened.name}: ")
            assert len(message.splitlines()) == 1
            assert CANARY not in message or not _is_in_urls_alone(data, suffix)
            return
        again = definition_from(json.loads(canonical_json(definition)), source="again")
        assert definition_digest(again) == definition_digest(definition)
        UrlScope(seeds=definition.start_urls, include=definition.include, exclude=definition.exclude).admits(
            "http://h/"
        )


def _is_in_urls_alone(data: bytes, suffix: str) -> bool:
    """Whether the canary stands in start URLs alone; what is no secret's place, such as a name, may be quoted."""
    text = data.decode("utf-8-sig", "replace")
    try:
        fields = tomllib.loads(text) if suffix == ".toml" else json.loads(text)
        return CANARY not in json.dumps({**fields, "start_urls": None}, default=str)
    except (ValueError, RecursionError, TypeError):
        return True


@contextlib.contextmanager
def _refusing(expected: type[BequestError], *, quoting: bytes | None = None) -> Generator[None]:
    try:
        yield
    except expected as error:
        check_refusal(error)
        if quoting is not None:
            _check_quotes_nothing(str(error), _text(quoting))


def _check_quotes_nothing(message: str, text: str) -> None:
    assert not any(word in message for word in text.split() if len(word) > 15)


def _text(data: bytes) -> str:
    """Return *data* as a text; what is no UTF-8 becomes halves of surrogate pairs, which scripts of pages make too."""
    return data.decode("utf-8", "surrogateescape")


SESSION_WORDS = words_of(*seeds.COOKIE_LISTS, *seeds.STORAGE_STATES, *seeds.PAYLOADS, *seeds.HARS)
CURL_WORDS = (b"-H", b"-b", b"-u", b"--url", b"--oauth2-bearer", b"--next", b"curl ", b"$'", b"^\n", b'^"', b"\\\n")
COOKIE_WORDS = (b"; Domain=", b"; Path=", b"; Expires=", b"; Max-Age=", b"; Secure", b"; SameSite=", b"; Partitioned")
TAGS = """a_href=x /a b /b p /p div /div table /table td tr svg /svg math mi title /title template /template
select option style /style script /script !-- base_href=http://b.example/ header footer nav aside main article h1 pre
code ul ol li dl dt blockquote img_src=x_alt=y br hr form button noscript html frameset plaintext foreignObject desc
p_hidden dialog"""
HTML_WORDS = tuple(f"<{tag.replace('_', ' ')}>".encode() for tag in TAGS.split())
DEFINITION_WORDS = words_of(*seeds.JSON_DEFINITIONS)
TARGETS: Mapping[str, Target] = {
    "cookies_txt": Target(check_session, as_bytes(*seeds.COOKIES_TXT), (b"#HttpOnly_", b"TRUE", b"FALSE")),
    "cookie_json": Target(check_session, as_bytes(*seeds.COOKIE_LISTS), SESSION_WORDS),
    "storage_state": Target(check_session, as_bytes(*seeds.STORAGE_STATES), SESSION_WORDS),
    "payload": Target(check_session, as_bytes(*seeds.PAYLOADS), SESSION_WORDS),
    "har": Target(check_session, as_bytes(*seeds.HARS), SESSION_WORDS),
    "cookie_header": Target(check_session, as_bytes(*seeds.COOKIE_HEADERS), (b"Host: ", b"Cookie: ")),
    "curl": Target(check_session, as_bytes(*seeds.CURLS), CURL_WORDS),
    "set_cookie": Target(check_set_cookie, as_bytes(*seeds.SET_COOKIES), COOKIE_WORDS),
    "url": Target(check_url, as_bytes(*seeds.URLS), (b"http://", b"https://", b"%2e", b":80", b"logout", b"0x")),
    "page": Target(check_page, as_bytes(*seeds.PAGES), HTML_WORDS),
    "totp": Target(check_totp, as_bytes(*seeds.TOTPS), (b"otpauth://totp/", b"secret=", b"&digits=", b"&period=")),
    "key_file": Target(check_key_file, as_bytes(*seeds.KEYS), (b"A" * 43 + b"=", b"=", b"-", b"_")),
    "toml_definition": Target(
        check_toml_definition,
        as_bytes(*seeds.TOML_DEFINITIONS),
        (*DEFINITION_WORDS, b"[[", b"]]", b" = "),
    ),
    "json_definition": Target(check_json_definition, as_bytes(*seeds.JSON_DEFINITIONS), DEFINITION_WORDS),
}
