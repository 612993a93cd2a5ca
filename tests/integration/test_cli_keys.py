"""Where the command line keeps its key, and what happens when that is another or gone."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback_site import Serve
from programs import CommandLine, NumberedPages

from bequest import Engine, Key, KeyFile

ADD = ("auth", "add", "wiki", "cookies.txt", "--site", "127.0.0.1")


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder with a cookies file."""
    line = CommandLine(tmp_path)
    line.write_cookies("cookies.txt", "opensesame")
    return line


def key_files(bequest: CommandLine) -> list[Path]:
    """Return every file of the folder and the home that holds a key."""
    return [Path(path) for path, content in bequest.files().items() if len(content) == 45 and content.endswith(b"=\n")]


def test_key_is_made_on_first_use_and_named(bequest: CommandLine) -> None:
    """The first stored session makes a key that only the user can read, not beside the database, and says where."""
    first, second = bequest(*ADD), bequest(*ADD)

    (path,) = key_files(bequest)
    assert first.code == second.code == 0
    assert bequest.home in path.parents
    assert path.parent.name == "bequest"
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"in {path}; keep a copy" in first.err
    assert second.err == ""


@pytest.mark.parametrize("command", [("jobs",), ("auth", "list"), ("doctor",)], ids=" ".join)
def test_no_key_is_made_without_need(bequest: CommandLine, command: tuple[str, ...]) -> None:
    """Commands that seal nothing make no key."""
    with Engine(bequest.folder / "bequest.db"):
        pass

    ended = bequest(*command)

    assert ended.code == 0, ended
    assert key_files(bequest) == []


def test_refused_database_costs_no_key(bequest: CommandLine) -> None:
    """A session for a database that somebody owns, or that is another's, is refused before a key is made."""
    (bequest.folder / "other.db").write_text("x" * 200)

    foreign = bequest(*ADD, "--db", "other.db")
    with Engine(bequest.folder / "bequest.db"):
        owned = bequest(*ADD)
        crawled = bequest("crawl", "http://127.0.0.1:1/", "--cookies", "cookies.txt")

    assert [ended.code for ended in (foreign, owned, crawled)] == [2, 2, 2]
    assert key_files(bequest) == []


def test_refused_key_costs_no_database(bequest: CommandLine) -> None:
    """A key that cannot be used is said before a database is made."""
    before = bequest.files()

    missing = bequest(*ADD, BEQUEST_KEY_FILE="typo")
    broken = bequest(*ADD, BEQUEST_KEY="not a key")
    crawled = bequest("crawl", "http://127.0.0.1:1/", "--cookies", "cookies.txt", BEQUEST_KEY_FILE="typo")

    assert [ended.code for ended in (missing, broken, crawled)] == [2, 2, 2]
    assert [len(ended.err.splitlines()) for ended in (missing, broken, crawled)] == [1, 1, 1]
    assert "correct BEQUEST_KEY_FILE" in missing.err
    assert bequest.files() == before


def test_key_file_that_others_may_read_is_refused(bequest: CommandLine) -> None:
    """The message says what to run."""
    KeyFile(bequest.folder / "open.key").create()
    (bequest.folder / "open.key").chmod(0o640)

    ended = bequest(*ADD, BEQUEST_KEY_FILE="open.key")

    assert ended.code == 2
    assert "others may read the key in open.key; run chmod 600" in ended.err


def test_key_may_come_from_a_variable_or_a_named_file(bequest: CommandLine) -> None:
    """A session sealed with the key of BEQUEST_KEY opens with the same key in BEQUEST_KEY_FILE."""
    key = KeyFile(bequest.folder / "my.key").create()

    added = bequest(*ADD, BEQUEST_KEY=key.encode())
    shown = bequest("auth", "show", "wiki", BEQUEST_KEY_FILE="my.key")

    assert added.code == shown.code == 0
    assert "sid" in shown.out
    assert [path.name for path in key_files(bequest)] == ["my.key"]


def test_wrong_key_is_said_before_anything_is_fetched(bequest: CommandLine, serve: Serve) -> None:
    """Showing a session and crawling with it under another key name both keys, and no page is asked for."""
    pages = NumberedPages(3)
    site = serve(pages)
    bequest(*ADD)
    before = bequest.files()
    other = Key.generate()

    shown = bequest("auth", "show", "wiki", BEQUEST_KEY=other.encode())
    crawled = bequest("crawl", site.url(), "--auth", "wiki", "--allow-private", BEQUEST_KEY=other.encode())
    doctor = bequest("doctor", BEQUEST_KEY=other.encode())

    for ended in (shown, crawled):
        assert ended.code == 2
        assert len(ended.err.splitlines()) == 1
        assert f"found key {other.id} from BEQUEST_KEY; use the key that it was stored with" in ended.err
    assert pages.paths == []
    assert {path: content for path, content in bequest.files().items() if path in before} == before
    assert doctor.code == 1
    assert "wrong  session wiki is sealed with key" in doctor.out


def test_lost_key_is_said_and_not_made_anew(bequest: CommandLine) -> None:
    """A session whose key is gone does not open with a new one."""
    bequest(*ADD)
    (path,) = key_files(bequest)
    path.unlink()

    shown = bequest("auth", "show", "wiki")
    crawled = bequest("crawl", "http://127.0.0.1:1/", "--auth", "wiki", "--allow-private")

    assert shown.code == crawled.code == 2
    assert "found no file; name the file that holds it in BEQUEST_KEY_FILE" in shown.err
    assert crawled.err == shown.err
    assert key_files(bequest) == []
