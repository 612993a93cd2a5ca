"""``bequest demo`` from its first line to its last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from programs import CommandLine


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


def sections(out: str) -> dict[str, str]:
    """Return what stands under each heading."""
    blocks = re.split(r"^\n?(?=\S.*\n {2})", out, flags=re.MULTILINE)
    return {block.partition("\n")[0]: block.partition("\n")[2] for block in blocks}


def test_demo_shows_what_was_inherited_and_what_is_lost_without(bequest: CommandLine) -> None:
    """The demo ends well and shows the metadata, the children, their documents, and the anonymous crawl beside it.

    It has a database and a key of its own, and leaves neither.
    """
    ended = bequest("demo")

    shown = sections(ended.out)
    kept, lost = shown["Crawl with the session"], shown["The same crawl without it"]
    assert ended.code == 0, ended
    assert re.search(r"this metadata: .*team=docs.*auth_id=handbook", kept)
    assert "session of 19 of 19 children: handbook (from parent metadata)" in kept
    requests = re.search(r"the site saw (\d+) requests, (\d+) of them with the session", kept)
    assert requests is not None
    assert requests[1] == requests[2]
    assert re.search(r"^\d+ +/articles/2 +handbook +The lamp - Harbour Handbook$", kept, re.MULTILINE)
    assert re.search(r"^\d+ +/style-guide +handbook +failed: http_404$", kept, re.MULTILINE)
    assert "# The harbour office" in kept
    assert "auth_id" not in lost.partition("\n")[0]
    assert "0 of them with the session" in lost
    assert re.search(r"^\d+ +/ +none +failed: login_redirect$", lost, re.MULTILINE)
    assert re.search(r"^with the session +18 +1$", ended.out, re.MULTILINE)
    assert re.search(r"^without it +0 +1$", ended.out, re.MULTILINE)
    assert not list(bequest.folder.iterdir())
    assert not list(bequest.home.rglob("bequest"))


def test_demo_keeps_its_database_when_asked(bequest: CommandLine) -> None:
    """With --keep the database is there to be looked at, and the demo says how."""
    ended = bequest("demo", "--keep", "kept demo.db")

    runs = bequest.json("jobs", "--db", "kept demo.db")
    assert "look around with `bequest jobs --db 'kept demo.db'`" in ended.out
    assert [run["children"]["completed"] for run in runs] == [18, 0]


def test_demo_says_what_to_do_without_a_browser(bequest: CommandLine, tmp_path: Path) -> None:
    """Where no browser can be had the demo ends with one line that says what to do by hand."""
    ended = bequest("demo", PATH=str(tmp_path), PLAYWRIGHT_BROWSERS_PATH="/dev/null/none")

    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "install one by hand" in ended.err
