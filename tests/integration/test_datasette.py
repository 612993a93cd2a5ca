"""A published application, crawled behind its login through the real browser and the real command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import CommandLine, Datasette


@pytest.fixture
def datasette(tmp_path: Path) -> Iterator[Datasette]:
    """Give a running Datasette."""
    running = Datasette(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def bequest(tmp_path: Path) -> CommandLine:
    """Give the command line in a folder of its own."""
    return CommandLine(tmp_path)


def pages_asked(datasette: Datasette) -> list[str]:
    """Return the cookie of every request for a page; styles, scripts and icons are none."""
    assets = ("/-/static", "/favicon", "/-/logo")
    return [asked.cookie for asked in datasette.asked if not asked.path.startswith(assets)]


def test_crawl_carries_the_session_to_every_page(datasette: Datasette, bequest: CommandLine) -> None:
    """Every request for a page carried the cookie, and every document is a page that only root sees (I14)."""
    bequest.write_cookies("cookies.txt", datasette.cookie, cookie="ds_actor")
    options = ("--allow-private", "--max-pages", "25", "--include", "/library", "--export", "out.jsonl")

    ended = bequest("crawl", datasette.url, "--cookies", "cookies.txt", *options)

    documents = [json.loads(line) for line in (bequest.folder / "out.jsonl").read_text().splitlines()]
    cookies = pages_asked(datasette)
    assert ended.code == 0, ended.err
    assert len(documents) == 25
    assert len(cookies) >= 25
    assert all(f"ds_actor={datasette.cookie}" in cookie for cookie in cookies)
    assert all(document["status"] == 200 and document["auth_id"] == "127.0.0.1" for document in documents)
    assert all("Forbidden" not in document["title"] for document in documents)
    assert any("Author 5" in document["markdown"] for document in documents)


def test_crawl_without_the_session_stores_nothing(datasette: Datasette, bequest: CommandLine) -> None:
    """An anonymous crawl leaves no document and exits 1 with the cause."""
    ended = bequest("crawl", datasette.url, "--allow-private", "--export", "out.jsonl")

    assert ended.code == 1
    assert "http_403" in ended.out
    assert (bequest.folder / "out.jsonl").read_bytes() == b""


def test_crawl_with_an_expired_session_stalls_and_resumes(datasette: Datasette, bequest: CommandLine) -> None:
    """Pages wait, the run says what to do, and the same command completes it once a working session is stored (I5)."""
    bequest.write_cookies("expired.txt", "expired", cookie="ds_actor")
    bequest.write_cookies("fresh.txt", datasette.cookie, cookie="ds_actor")
    crawl = ("crawl", datasette.url, "--auth", "library", "--allow-private", "--max-pages", "5")
    bequest("auth", "add", "library", "expired.txt", "--site", "127.0.0.1")

    stalled = bequest(*crawl)
    waiting = bequest("jobs", "--state", "waiting", "--json")
    added = bequest("auth", "add", "library", "fresh.txt", "--site", "127.0.0.1")
    resumed = bequest(*crawl, "--json")

    pages = [json.loads(line) for line in waiting.out.splitlines() if '"kind":"page"' in line]
    assert stalled.code == 1
    assert "bequest auth add" in stalled.err
    assert [page["waits_for"] for page in pages] == ["library"]
    assert [page["attempts"] for page in pages] == [0]
    assert "1 page waited for it" in added.out
    assert resumed.code == 0, resumed.err
    assert json.loads(resumed.out)["run"] == 1
    assert json.loads(resumed.out)["pages"]["completed"] == 5
