"""``bequest auth add`` and ``check``: what is said of a session, how values come in, and what is refused."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bequest import Credential, Engine, Key, KeyFile, Secret
from bequest.console.main import run_command

CURL = "curl https://wiki.example/ -b 'sid=canary' -H 'X-Mine: canary'"
STATE = {
    "cookies": [
        {"name": "sid", "value": "canary", "domain": ".wiki.example", "expires": 4_000_000_000},
        {"name": "", "value": "canary", "domain": "www.wiki.example", "expires": -1},
        {"name": "old", "value": "canary", "domain": "www.wiki.example", "expires": 1},
    ],
    "origins": [
        {"origin": "https://www.wiki.example", "localStorage": [{"name": "a", "value": "canary"}], "indexedDB": [{}]},
        {"origin": "https://evil.example", "localStorage": [{"name": "a", "value": "canary"}]},
    ],
}
ONE_COOKIE = "www.wiki.example\tFALSE\t/\tFALSE\t0\tsid\tcanary\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder of its own, with an empty home and nothing on standard input."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("BEQUEST_KEY_FILE", raising=False)
    (tmp_path / "home").mkdir()
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    (tmp_path / "cookies.txt").write_text(ONE_COOKIE)
    type_in(monkeypatch, b"")
    return tmp_path


def type_in(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def stored(name: str, database: str = "bequest.db") -> Credential:
    with Engine(database, key=KeyFile("~/.config/bequest/key"), resume=False) as engine:
        found = engine.credentials.get(name)
    assert found is not None
    return found


def test_check_says_what_becomes_of_each_part(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is kept, narrowed and skipped is a line each, no value is shown (I16), and nothing is stored."""
    before = sorted(folder.rglob("*"))

    code = run_command(["auth", "check", "state.json", "--site", "www.wiki.example"])

    out = capsys.readouterr().out
    assert code == 0
    assert out.splitlines() == [
        "state.json: Playwright's storage_state, for www.wiki.example",
        "  kept cookie sid: www.wiki.example and under it, until 2096-10-02 07:06 (UTC)",
        "  kept cookie without a name: www.wiki.example, with the session",
        "  kept storage https://www.wiki.example: 1 value and databases",
        "  narrowed cookie sid: from wiki.example to www.wiki.example",
        "  skipped cookie old: expired",
        "  skipped storage https://evil.example: outside the credential's sites",
    ]
    assert sorted(folder.rglob("*")) == before


def test_check_says_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program reads the same account, without values (I16)."""
    run_command(["auth", "check", "state.json", "--site", "www.wiki.example", "--json"])

    out = capsys.readouterr().out
    said: dict[str, Any] = json.loads(out)  # Any: JSON
    assert (said["format"], said["sites"]) == ("Playwright's storage_state", ["www.wiki.example"])
    assert said["kept"]["cookies"][0] == {
        "name": "sid",
        "domain": "www.wiki.example",
        "host_only": False,
        "expires": 4_000_000_000.0,
    }
    assert said["kept"]["storages"] == [
        {"origin": "https://www.wiki.example", "local": 1, "session": 0, "indexed_db": True}
    ]
    assert said["narrowed"] == [{"name": "sid", "domain": "wiki.example", "sites": ["www.wiki.example"]}]
    assert said["skipped"][0] == {"kind": "cookie", "name": "old", "reason": "expired"}
    assert "canary" not in out


def test_check_of_nothing_that_can_be_used_fails_after_the_account(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nothing can be used the account is printed all the same, and the code says so."""
    code = run_command(["auth", "check", "cookies.txt", "--site", "other.example"])

    said = capsys.readouterr()
    assert code == 2
    assert "skipped cookie sid: outside the credential's sites" in said.out
    assert "none of its 1 cookies can be used" in said.err


def test_add_says_all_before_it_stores(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The account comes first; where the key then is not there, nothing was stored and the account was given."""
    code = run_command(
        ["auth", "add", "wiki", "cookies.txt", "--site", "wiki.example", "--db", "home/.config/bequest/x"]
    )

    said = capsys.readouterr()
    assert code == 2
    assert said.out.splitlines()[-1] == "  kept cookie sid: www.wiki.example, with the session"
    assert not (folder / "home/.config").exists()


def test_add_takes_a_curl_command_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pasted command says the site itself, and what the format leaves out is said too."""
    type_in(monkeypatch, CURL.encode())

    code = run_command(["auth", "add", "wiki", "-"])

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "standard input: a curl command, for wiki.example",
        "  kept cookie sid: wiki.example, with the session",
        "  skipped header X-Mine: not known to log in; give it by itself where it does",
        "stored wiki: 1 cookie for wiki.example",
    ]
    assert stored("wiki").sites == ("wiki.example",)


def test_add_reads_the_values_of_headers_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No value stands in an argument: tokens, then logins, then other headers are a line each."""
    type_in(monkeypatch, b"canary\nada\ncan\xc3\xa9ry\r\nkey of mine\n")
    options = ["--header", "https://c.example:8443", "X-Key", "--basic", "http://b.example/", "--bearer"]

    code = run_command(["auth", "add", "api", *options, "https://A.example", "--json"])

    report, done = map(json.loads, capsys.readouterr().out.splitlines())
    assert code == 0
    assert done == {"stored": "api", "woken": 0}
    assert report["sites"] == ["a.example", "b.example", "c.example"]
    assert [(one.origin, one.name, one.value.reveal()) for one in stored("api").headers] == [
        ("https://a.example", "Authorization", "Bearer canary"),
        ("http://b.example", "Authorization", "Basic YWRhOmNhbsOpcnk="),
        ("https://c.example:8443", "X-Key", "key of mine"),
    ]


def test_add_puts_headers_beside_a_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Cookies and a header are one session; a header outside the sites is skipped (I17)."""
    type_in(monkeypatch, b"canary\ncanary\n")
    options = ["--site", "wiki.example", "--bearer", "https://api.wiki.example", "--bearer", "https://evil.example"]

    run_command(["auth", "add", "wiki", "cookies.txt", *options])

    out = capsys.readouterr().out.splitlines()
    assert "  kept header Authorization: https://api.wiki.example" in out
    assert "  skipped header Authorization for https://evil.example: outside the credential's sites" in out
    assert out[-1] == "stored wiki: 1 cookie, 1 header for wiki.example"


def test_add_keeps_the_secrets_of_the_login(capsys: pytest.CaptureFixture[str]) -> None:
    """A new session under a name does not end what its scripted login types."""
    key = KeyFile("~/.config/bequest/key")
    key.create()
    with Engine("bequest.db", key=key, resume=False) as engine:
        secrets = {"password": Secret("canary")}
        engine.credentials.put(Credential(auth_id="wiki", sites=("wiki.example",), secrets=secrets))

    run_command(["auth", "add", "wiki", "cookies.txt", "--site", "wiki.example"])

    assert capsys.readouterr().err == ""
    assert stored("wiki").secrets == {"password": Secret("canary")}
    assert len(stored("wiki").cookies) == 1


def test_add_replaces_what_another_key_has_sealed(capsys: pytest.CaptureFixture[str]) -> None:
    """Storing a session again is the way out when the key was lost."""
    with Engine("bequest.db", key=Key.generate, resume=False) as engine:
        engine.credentials.put(
            Credential(auth_id="wiki", sites=("wiki.example",), secrets={"password": Secret("canary")})
        )

    code = run_command(["auth", "add", "wiki", "cookies.txt", "--site", "wiki.example"])

    assert (code, stored("wiki").secrets) == (0, {})
    assert "made a new key" in capsys.readouterr().err


def test_show_names_headers_and_storages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A stored session is shown by names and places, without a value (I16)."""
    type_in(monkeypatch, b"canary\n")
    run_command(["auth", "add", "wiki", "state.json", "--site", "wiki.example", "--bearer", "https://wiki.example"])
    capsys.readouterr()

    run_command(["auth", "show", "wiki"])
    run_command(["auth", "show", "wiki", "--json"])

    *shown, last = capsys.readouterr().out.splitlines()
    assert "header Authorization: https://wiki.example" in shown
    assert "storage https://www.wiki.example: 1 value and databases" in shown
    assert json.loads(last)["headers"] == [{"name": "Authorization", "origin": "https://wiki.example"}]
    assert "canary" not in f"{shown} {last}"


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (["wiki"], b"", "Missing argument 'FILE'; see bequest auth add --help"),
        (["wiki", "cookies.txt"], b"", "Missing option '--site'; see bequest auth add --help"),
        (["wiki", "-", "--bearer", "https://a.example"], b"", "are both standard input; give one of them"),
        (["wiki", "--bearer", "https://a.example"], b"", "asked for the bearer token for https://a.example as a line"),
        (["wiki", "--bearer", "https://a.example"], b"\xff\n", "as a line on standard input, found none"),
        (["wiki", "--basic", "https://a.example"], b"ada\n", "asked for the password for https://a.example"),
        (["wiki", "--bearer", "https://a.example"], b"canary\x00\n", "holds characters that no header can"),
        (["wiki", "--header", "https://a.example", "Cookie"], b"canary\n", "has a name such as Authorization"),
        (["wiki", "--bearer", "a.example/canary"], b"", "an origin is a scheme, host and port"),
        (["wiki", "-"], b"sid=canary", "expected the site beside a Cookie header"),
        (["wiki", "-"], b"", "standard input: expected cookies.txt"),
        ([" ", "cookies.txt"], b"", "a credential's name has 1 to 200"),
    ],
)
def test_add_refuses_in_one_line(
    arguments: list[str],
    typed: bytes,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is missing or cannot be is one line without a value (I16), code 2, and no file."""
    before = sorted(folder.rglob("*"))
    type_in(monkeypatch, typed)

    code = run_command(["auth", "add", *arguments])

    error = capsys.readouterr().err
    assert code == 2
    assert said in error
    assert len(error.splitlines()) == 1
    assert "canary" not in error
    assert sorted(folder.rglob("*")) == before
