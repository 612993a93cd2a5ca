"""The code blocks of README and docs that need a browser run, against a real site behind a login."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest import KeyFile
from bequest.testing.login_site import SESSION_COOKIE, LoginSite

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
TUTORIAL = ROOT / "docs" / "tutorial.md"
DAEMON = ROOT / "docs" / "howto" / "daemon.md"
OTHERS = sorted(set((ROOT / "docs").rglob("*.md")) - {TUTORIAL})  # README and tutorial have tests of their own
ON_THE_PAGES = '"https://wiki.example/"'  # the site that the blocks crawl
DEADLINE_S = 120


def blocks_of(page: Path, info: str) -> list[str]:
    """Return the blocks of a page with that info string."""
    return re.findall(rf"^```{info}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def place(page: Path) -> str:
    """Return where a page is, for the test's name."""
    return page.relative_to(ROOT).as_posix()


def pointed_at(site: LoginSite, code: str) -> str:
    """Return a block with the site that is there in the place of the one that is made up."""
    return code.replace(f"start_urls=[{ON_THE_PAGES}]", f'start_urls=["{site.url}"], allow_private=True')


def write_cookies(folder: Path, site: LoginSite) -> None:
    """Write a cookies.txt as a browser that is logged in exports it."""
    cookie = f"127.0.0.1\tFALSE\t/\tFALSE\t0\t{SESSION_COOKIE}\t{site.new_session()}\n"
    (folder / "cookies.txt").write_text(cookie)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginSite]:
    """Give a site behind a login, in a folder with a session for it and a key in the home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    KeyFile("~/.config/bequest/key").create()
    with LoginSite() as running:
        write_cookies(tmp_path, running)
        yield running


@pytest.mark.parametrize("page", [page for page in OTHERS if blocks_of(page, "python browser")], ids=place)
def test_browser_blocks_run(page: Path, site: LoginSite) -> None:
    """The blocks of a page that need a browser run, one after the other, and crawl with the session."""
    names: dict[str, object] = {"__name__": "page"}

    for code in blocks_of(page, "python browser"):
        exec(compile(pointed_at(site, code), str(page), "exec"), names)  # noqa: S102 - our own pages

    assert all(request.has_session for request in site.requests)


def test_readme_embeds_in_ten_lines(site: LoginSite, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's block takes ten lines, and prints every page behind the login with its title."""
    (code,) = blocks_of(README, "python browser")

    exec(compile(pointed_at(site, code), "README.md", "exec"), {})  # noqa: S102 - our own page

    printed = capsys.readouterr().out
    assert len([line for line in code.splitlines() if line]) <= 10
    assert all(f"{site.url[:-1]}{path} " in printed for path in site.article_paths)
    assert "Log in" not in printed
    assert all(request.has_session for request in site.requests)


@pytest.mark.usefixtures("site")
def test_tutorial_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    """The script of the tutorial crawls all pages with the session, loses it, stores nothing, and goes on."""
    names: dict[str, object] = {"__name__": "first"}

    for code in blocks_of(TUTORIAL, "python browser"):
        exec(compile(code, "tutorial.md", "exec"), names)  # noqa: S102 - our own page

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "run 1 completed"
    assert "18 of 18 requests carried the session" in lines
    assert "1 waits, 0 documents" in lines
    assert lines[-2] == "1 page is due again"
    assert lines[-1] == "completed 17 documents"


def test_daemon_ends_on_sigterm(site: LoginSite, tmp_path: Path) -> None:
    """The daemon of the docs crawls, ends in order when it is told to, and takes the session from the file."""
    (code,) = (block for block in blocks_of(DAEMON, "python") if "crawld" in block)
    (tmp_path / "crawld.py").write_text(pointed_at(site, code))
    seen = []

    for _ in range(2):
        daemon = subprocess.Popen([sys.executable, "crawld.py"], stderr=subprocess.PIPE, text=True)
        assert daemon.stderr is not None
        seen.append(next(line for line in daemon.stderr if "crawld:run" in line))
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(DEADLINE_S) == 0
        daemon.stderr.close()

    runs = [re.fullmatch(r"INFO:crawld:run (\d+): completed, 17 pages", line.strip()) for line in seen]
    assert all(runs)
    assert len({run[1] for run in runs if run}) == 2
    assert not (tmp_path / "cookies.txt").exists()
