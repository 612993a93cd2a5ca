"""Bad input to the command line: one line that says what to do, exit code 2, and nothing written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from programs import CommandLine

from bequest import Engine

URL = "http://127.0.0.1:1/"


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder with some files, good and bad."""
    line = CommandLine(tmp_path)
    write = {
        "unknown_key.toml": f'name = "x"\nstart_urls = ["{URL}"]\nmax_page = 3\n',
        "broken.toml": "name = \n",
        "no_cookies.txt": "these are no cookies\n",
        "expired.txt": "127.0.0.1\tFALSE\t/\tFALSE\t1\tsid\tcanary-value\n",
        "other_site.txt": "shop.example\tFALSE\t/\tFALSE\t0\tsid\tcanary-value\n",
    }
    for name, text in write.items():
        (line.folder / name).write_text(text)
    with sqlite3.connect(line.folder / "other.db") as connection:
        connection.execute("CREATE TABLE note (text TEXT)")
    connection.close()
    return line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "unknown_key.toml"), "max_page: unknown key; did you mean max_pages?"),
        (("run", "broken.toml"), "broken.toml"),
        (("run", "missing.toml"), "missing.toml"),
        (("crawl", URL, "--max-depth", "-1"), "--max-depth: expected an integer of at least 0, found -1; see"),
        (("crawl", URL, "--max-pages", "many"), "--max-pages"),
        (("crawl", URL, "--include", "("), "--include: expected a regular expression"),
        (("crawl", "ftp://h/"), "URL 1: expected an http or https URL"),
        (("crawl",), "URL"),
        (("crawl", URL, "--auth", "a", "--cookies", "b"), "exclude each other"),
        (("crawl", URL, "--cookies", "missing.txt"), "missing.txt"),
        (("crawl", URL, "--cookies", "no_cookies.txt"), "no_cookies.txt, line 1"),
        (("crawl", URL, "--cookies", "expired.txt"), "expired"),
        (("crawl", URL, "--cookies", "other_site.txt"), "outside the credential's sites"),
        (("auth", "add", "x", "expired.txt", "--site", "127.0.0.1"), "expired"),
        (("auth", "add", "x", "expired.txt", "--site", "http://h/"), "leave out scheme and path"),
        (("crawl", URL, "--db", "other.db"), "another application"),
        (("crawl", URL, "--db", "expired.txt"), "not a SQLite database"),
        (("crawl", URL, "--db", "no/folder/x.db"), "folder"),
        (("crawl", URL, "--db", "."), "folder"),
        (("crawl", URL, "--export", "no/folder/x.jsonl"), "no folder to write that file in"),
        (("jobs",), "found no database there"),
        (("auth", "remove", "x"), "found no database there"),
        (("jobs", "--state", "odd"), "odd"),
        (("unknown",), "unknown"),
    ],
)
def test_bad_input_is_refused_in_one_line(bequest: CommandLine, arguments: tuple[str, ...], said: str) -> None:
    """What is wrong is said in one line on stderr, the exit code is 2, and no file has changed."""
    before = bequest.files()

    ended = bequest(*arguments)

    assert ended.code == 2, ended
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert "canary-value" not in ended.err
    assert ended.out == ""
    assert bequest.files() == before


def test_missing_browser_is_said_before_anything_is_written(bequest: CommandLine, tmp_path: Path) -> None:
    """Without a browser nothing is written, and the message names the command that gets one."""
    before = bequest.files()

    ended = bequest("crawl", URL, PATH=str(tmp_path), PLAYWRIGHT_BROWSERS_PATH=str(tmp_path / "none"))

    assert ended.code == 2
    assert "bequest browser install" in ended.err
    assert bequest.files() == before


def test_owned_database_is_refused(bequest: CommandLine) -> None:
    """A database that another process owns is refused, naming the holder."""
    with Engine(bequest.folder / "bequest.db"):
        ended = bequest("crawl", URL)

    assert ended.code == 2
    assert "owned by process" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_unreachable_host_fails_and_names_the_cause(bequest: CommandLine, closed_port: int) -> None:
    """A host where nothing listens exits 1 with the cause; the pages were tried four times."""
    ended = bequest("crawl", f"http://127.0.0.1:{closed_port}/", "--allow-private", "--json")

    assert ended.code == 1
    assert "nothing listens there" in ended.err


def test_private_address_is_refused_unless_it_is_allowed(bequest: CommandLine, closed_port: int) -> None:
    """Loopback is not dialled without --allow-private, and the message says so."""
    ended = bequest("crawl", f"http://127.0.0.1:{closed_port}/")

    assert ended.code == 1
    assert "found an address that is not public; if that is meant, give --allow-private" in ended.err
