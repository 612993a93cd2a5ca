"""A pasted curl command is read as the shell and curl read it, and nothing of it is shown."""

from __future__ import annotations

import base64

import pytest

from bequest.engine.curl_words import command_words
from bequest.engine.errors import CredentialFormatError
from bequest.engine.session_files import read_session
from bequest.engine.session_reading import Reading

URL = "https://wiki.example/a"


def read(text: str) -> Reading:
    return read_session(text, source="f")


def pairs_of(reading: Reading) -> list[tuple[str, str]]:
    return [(cookie.name, cookie.value.reveal()) for cookie in reading.cookies]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ("'a b' \"c d\"", ["a b", "c d"]),
        ("a'b'\"c\"d", ["abcd"]),
        ("'' \"\"", ["", ""]),
        ('\'a\\b\' "a\\b\\"\\$\\\\"', ["a\\b", 'a\\b"$\\']),
        ("a \\\n  b \\\r\n c", ["a", "b", "c"]),
        ('"a\\\nb"', ["ab"]),
        ("$'a\\'b\\n\\t\\\\\\x41\\u00e9\\U0001F600\\101\\q\\?'", ["a'b\n\t\\Aé\U0001f600A\\q?"]),
        ("$'\\U99999999'", ["\\U99999999"]),
        ('$"a"', ["a"]),
        ("a\\ b", ["a b"]),
        ("a && b", ["a"]),
        ("a | b", ["a"]),
        ("a;b", ["a"]),
        ("$HOME $(x) `y`", ["$HOME", "$(x)", "`y`"]),
        ("'open", None),
        ('"open', None),
        ("$'open", None),
        ("a\\", ["a\\"]),
        ("a$'b\\n'c$\"d\"$", ["ab\ncd$"]),
        ("", []),
    ],
)
def test_command_words_are_those_of_a_shell(text: str, words: list[str] | None) -> None:
    """Quotes, escapes and lines that go on are read as bash does; a quote that stays open makes no words."""
    assert command_words(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('^"a^" ^\n  ^"b c^"', ["a", "b c"]),
        ('^"a^" ^\r\n^"b^"', ["a", "b"]),
        ('^"a^\\^"b^" x', ['a"b', "x"]),
        ('^"50^%^%^AB^"', ["50%%AB"]),
        ('^"a^\n\nb^"', ["a\nb"]),
        ('-H "a: b^c" ^\n x', ["-H", "a: b^c", "x"]),
        ('"say ""hi""" ^\n', ['say "hi"']),
        ('^"a\\\\^" ^\n b\\c', ["a\\", "b\\c"]),
        ('^"^" ^\n', [""]),
        ('^"open', None),
    ],
)
def test_command_words_are_those_of_windows(text: str, words: list[str] | None) -> None:
    """Carets are taken away as cmd.exe does, and quotes are read as the C runtime does."""
    assert command_words(text) == words


@pytest.mark.parametrize(
    "text",
    [
        f"curl '{URL}' -H 'Cookie: sid=canary; b=2'",
        f"curl '{URL}' \\\n  -H 'accept: */*' \\\n  -b 'sid=canary; b=2'",
        f"$ curl --cookie \"sid=canary; b=2\" '{URL}'",
        f"curl -sSLb 'sid=canary; b=2' --compressed {URL} | jq .",
        f"curl -s -b'sid=canary; b=2' --url {URL} --next {URL} -b c=3",
        f"curl $'-H' $'cookie: sid=\\u0063anary; b=2' -X POST -d 'x=1' {URL}",
        f'curl.exe ^"{URL}^" ^\n  -H ^"Cookie: sid=canary; b=2^"',
        f"curl --request GET --data-raw 'a=b' {URL} -H 'Cookie: sid=canary' -H 'Cookie: b=2'",
    ],
)
def test_curl_cookies_are_for_the_host_of_its_url(text: str) -> None:
    """Cookies are found wherever curl takes them, for that host alone and over https alone."""
    reading = read(text)

    assert pairs_of(reading) == [("sid", "canary"), ("b", "2")]
    assert {(one.domain, one.host_only, one.secure, one.path) for one in reading.cookies} == {
        ("wiki.example", True, True, "/")
    }
    assert (reading.sites, reading.skipped, reading.form) == (("wiki.example",), (), "a curl command")


@pytest.mark.parametrize("url", ["http://127.1:8080/", "127.0.0.1:8080/a"])
def test_curl_over_http_gives_cookies_for_http(url: str) -> None:
    """A cookie that went in the clear may do so again; without a scheme curl means http."""
    reading = read(f"curl {url} -b sid=canary -H 'Authorization: Bearer canary'")

    assert [(one.domain, one.secure) for one in reading.cookies] == [("127.0.0.1", False)]
    assert [one.origin for one in reading.headers] == ["http://127.0.0.1:8080"]


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ("-H 'authorization: Bearer canary'", ("authorization", "Bearer canary")),
        ("-H 'X-Api-Key: canary'", ("X-Api-Key", "canary")),
        ("--oauth2-bearer canary", ("Authorization", "Bearer canary")),
        ("-u ada:canary:x", ("Authorization", f"Basic {base64.b64encode(b'ada:canary:x').decode()}")),
        ("-H 'Authorization: Token canary' -u ada:x", ("Authorization", "Token canary")),
    ],
)
def test_curl_logins_become_headers_of_the_origin(options: str, header: tuple[str, str]) -> None:
    """A login by header or by user goes to the origin of the URL; a header that is written out wins, as with curl."""
    reading = read(f"curl https://wiki.example:8443/a {options}")

    assert [(one.name, one.value.reveal()) for one in reading.headers if one.name == header[0]] == [header]
    assert {one.origin for one in reading.headers} == {"https://wiki.example:8443"}


def test_curl_user_in_the_url_is_a_login() -> None:
    """A user in the URL logs in as ``-u`` does."""
    (header,) = read("curl https://ada:ca%6eary@[::1]/").headers

    assert header.origin == "https://[::1]"
    assert base64.b64decode(header.value.reveal().removeprefix("Basic ")) == b"ada:canary"


@pytest.mark.parametrize("option", ["-A 'Mine/1'", "-H 'User-Agent: Mine/1'", "--user-agent Mine/1"])
def test_curl_user_agent_is_kept(option: str) -> None:
    """A site may bind its session to the user agent."""
    assert read(f"curl {URL} -b sid=canary {option}").user_agent == "Mine/1"


@pytest.mark.parametrize(
    ("options", "name", "reason"),
    [
        ("--digest -u ada:canary", "Authorization", "made for one request"),
        ("-H 'Authorization: Digest canary'", "Authorization", "made for one request"),
        ("-u ada", "Authorization", "a user without a password"),
        ("-H 'X-Mine: canary'", "X-Mine", "not known to log in; give it by itself where it does"),
        ("-H $'Authorization: a\\nb'", "Authorization", "characters that a header cannot have"),
    ],
)
def test_curl_header_that_is_no_use_is_skipped(options: str, name: str, reason: str) -> None:
    """What logs in once only, and what is not known to log in at all, is named with the reason."""
    skipped = read(f"curl {URL} -b sid=1 -H 'Sec-Fetch-Mode: cors' -H @file -H 'Accept:' {options}").skipped

    assert [(one.kind, one.name, one.reason) for one in skipped] == [("header", name, reason)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"curl '{URL} -b canary=1", "a quote that is not closed"),
        ("curl -b canary=1", "found none; copy the whole command"),
        ("curl ftp://canary/ -b canary=1", "found another; copy the whole command"),
        ("curl http://canary:x/ -b canary=1", "found another"),
        ("curl 'http://a b/' -b canary=1", "found another"),
        ("curl 'http://[canary' -b canary=1", "found none"),
        (f"curl {URL} -b canary.txt", "the name of a file of cookies; give that file itself"),
        (f"curl {URL} -u 'a:canary\udcff'", "a user or a token that a header can hold"),
        (f"curl {URL} --oauth2-bearer ''", "a user or a token that a header can hold"),
        (f"curl {URL} -H 'Accept: canary'", "found no cookie in it"),
    ],
)
def test_curl_that_holds_no_session_says_what_is_missing(text: str, said: str) -> None:
    """What cannot be read is named, and nothing of it shown (I16)."""
    with pytest.raises(CredentialFormatError, match=said) as caught:
        read(text)

    assert str(caught.value).startswith("f")
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("text", ["a '' b", 'a "" b', 'a "" b ^\n'])
def test_empty_word_is_a_word(text: str) -> None:
    """Quotes with nothing in them are an argument."""
    assert command_words(text) == ["a", "", "b"]
