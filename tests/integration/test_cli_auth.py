"""``bequest auth``: sessions are stored, listed, shown without their values, and removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from programs import CommandLine

VALUE = "opensesame"
COOKIES = [
    {"name": "sid", "value": VALUE, "domain": "127.0.0.1", "path": "/"},
    {"name": "kept", "value": VALUE, "domain": "127.0.0.1", "path": "/", "expires": 4_000_000_000},
    {"name": "old", "value": VALUE, "domain": "127.0.0.1", "path": "/", "expires": 1},
    {"name": "ad", "value": VALUE, "domain": "tracker.example", "path": "/"},
]
ADD = ("auth", "add", "wiki", "state.json", "--site", "127.0.0.1")


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder with a session."""
    line = CommandLine(tmp_path)
    (line.folder / "state.json").write_text(json.dumps({"cookies": COOKIES, "origins": []}))
    return line


def test_add_says_what_it_kept_and_why_not_the_rest(bequest: CommandLine) -> None:
    """Cookies that have expired or belong elsewhere are named with the reason."""
    ended = bequest(*ADD)

    assert ended.code == 0, ended
    assert ended.out.splitlines() == [
        "state.json: Playwright's storage_state, for 127.0.0.1",
        "  kept cookie sid: 127.0.0.1, with the session",
        "  kept cookie kept: 127.0.0.1, until 2096-10-02 07:06 (UTC)",
        "  skipped cookie old: expired",
        "  skipped cookie ad: outside the credential's sites",
        "stored wiki: 2 cookies for 127.0.0.1",
    ]


def test_list_names_sessions_and_their_sites(bequest: CommandLine) -> None:
    """Sessions are listed by name, each again after it was stored anew, as a table and as JSON."""
    bequest(*ADD)
    bequest(*ADD)

    listed, values = bequest("auth", "list"), bequest.json("auth", "list")

    assert listed.out.splitlines()[1].split()[:3] == ["wiki", "127.0.0.1", "2"]
    assert [(one["auth_id"], one["sites"], one["version"]) for one in values] == [("wiki", ["127.0.0.1"], 2)]


def test_show_names_cookies_and_no_value(bequest: CommandLine) -> None:
    """Names, domains and expiry are shown, and no value in any form."""
    bequest(*ADD)

    shown, (value,) = bequest("auth", "show", "wiki"), bequest.json("auth", "show", "wiki")

    assert [line.split(maxsplit=2) for line in shown.out.splitlines()[2:]] == [
        ["sid", "127.0.0.1", "with the session"],
        ["kept", "127.0.0.1", "2096-10-02 07:06"],
        ["old", "127.0.0.1", "1970-01-01 00:00 (expired)"],
        ["ad", "tracker.example", "with the session"],
    ]
    assert value["name"] == "wiki"
    assert [sorted(cookie) for cookie in value["cookies"]] == [["domain", "expires", "name"]] * 4
    assert VALUE not in shown.out + json.dumps(value)


def test_removed_session_is_gone(bequest: CommandLine) -> None:
    """After the removal the list says how to add one, and nothing of the session is left in the file."""
    bequest(*ADD)

    removed = bequest("auth", "remove", "wiki")

    again, shown, listed = (
        bequest(*command.split()) for command in ("auth remove wiki", "auth show wiki", "auth list")
    )
    assert removed.out == "removed wiki\n"
    assert again.code == shown.code == 2
    assert "found none; `bequest auth list` names all" in again.err
    assert listed.out == "no session is stored; add one with `bequest auth add NAME FILE --site HOST`\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("auth", "add", "wiki", "state.json"), "Missing option '--site'; see bequest auth add --help"),
        (("auth", "add", " ", "state.json", "--site", "127.0.0.1"), "a credential's name has 1 to 200 printable"),
        (("auth", "add", "wiki", "state.json", "--site", "com"), "'com' is a public suffix"),
        (("auth", "add", "wiki", "state.json", "--site", "other.example"), "outside the credential's sites"),
        (("auth", "show", "wiki"), "found no database there"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_session_that_cannot_be_is_refused(bequest: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be stored or shown is one line, exit code 2, and no file."""
    before = bequest.files()

    ended = bequest(*arguments)

    assert ended.code == 2
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert bequest.files() == before
