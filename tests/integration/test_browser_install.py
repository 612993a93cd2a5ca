"""How a Chromium is found, tried and installed on a machine."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
from browser_rig import descendants

from bequest.actors.browser_install import find_chromium, install, probe, telling_line
from bequest.actors.browser_launch import not_started
from bequest.engine.errors import BrowserNotFoundError


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder that is the whole PATH of a machine without browsers."""
    if sys.platform == "darwin":
        pytest.skip("applications are found in a fixed folder")
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "downloads"))
    return folder


def put(path: Path, script: str = "exit 1") -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def here() -> Path:
    """Return the Chromium of this machine."""
    found = find_chromium()
    assert found is not None, "run `bequest browser install` first"
    return found


def test_find_prefers_the_newest_download_to_the_path(bare_machine: Path) -> None:
    """Playwright's own downloads come first, the newest of them, then what is on the PATH, then nothing."""
    downloads = bare_machine.parent / "downloads"
    found = [find_chromium()]

    on_path = put(bare_machine / "chromium")
    found.append(find_chromium())
    old = put(downloads / "chromium-999" / "chrome-linux" / "chrome")
    put(downloads / "chromium_headless_shell-1300" / "chrome-linux" / "chrome")
    found.append(find_chromium())
    new = put(downloads / "chromium-1200" / "chrome-linux64" / "chrome")
    found.append(find_chromium())

    assert found == [None, on_path, old, new]


def test_probe_gives_the_version_of_a_browser_that_works() -> None:
    """A Chromium that renders a page is named by its version, and none is left running."""
    version = probe(here())

    assert version.split(".")[0].isdecimal()
    assert descendants(os.getpid()) == []


@pytest.mark.parametrize("script", ["exit 0", "exit 1", "echo 'DevTools listening on nothing' >&2; exit 3"])
def test_probe_refuses_what_is_no_browser(tmp_path: Path, script: str) -> None:
    """A program that is no browser is refused by name, with what to do."""
    program = put(tmp_path / "chromium", script)

    with pytest.raises(BrowserNotFoundError, match="bequest browser install") as caught:
        probe(program)

    assert str(program) in str(caught.value)


def test_install_takes_the_first_that_works(bare_machine: Path) -> None:
    """A broken browser is passed over with a word, and nothing is downloaded where another one works."""
    working = here_outside(bare_machine)
    broken = put(bare_machine.parent / "downloads" / "chromium-1200" / "chrome-linux" / "chrome")
    good = put(bare_machine / "google-chrome", f'exec {working} "$@"')
    said: list[str] = []

    found = install(said.append)

    assert found == good
    assert [line.split()[0] for line in said] == [str(broken), str(good)]
    assert "does not work" in said[0]


def test_install_that_fails_says_what_to_do(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing can be downloaded, each step and the way out are told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", f"http://127.0.0.1:{closed}")
    said: list[str] = []

    with pytest.raises(BrowserNotFoundError, match="apt-get install chromium"):
        install(said.append)

    assert any(line.startswith("downloading Playwright's Chromium") for line in said)
    assert any("failed with code" in line for line in said)
    assert said[-1] == "not root on Debian, so its package is not tried"


def here_outside(folder: Path) -> str:
    """Return the Chromium of this machine although *folder* is the whole PATH."""
    downloads = Path.home() / ".cache" / "ms-playwright"
    found = [*downloads.glob("chromium-*/chrome-linux*/chrome"), shutil.which("chromium", path=os.defpath)]
    assert found
    assert folder.exists()
    return str(next(path for path in found if path))


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (
            "- [pid=7][err] [7:7:1125/0033.6:FATAL:process_singleton_posix.cc:315] Socket path too long: /t.",
            "Socket path too long: /t",
        ),
        (
            "[pid=7][err] /opt/chrome: error while loading shared libraries: libnss3.so: cannot open it",
            "error while loading shared libraries: libnss3.so: cannot open it",
        ),
        ("[pid=7][err] [1125/0033.6:ERROR:file_io.cc:145] open /sys: No such file", "Target page has been closed"),
    ],
)
def test_browser_that_does_not_start_is_quoted(log: str, said: str) -> None:
    """The message holds what the browser or the linker said last, and not only that it is gone."""
    error = RuntimeError(f"Target page has been closed\nBrowser logs:\n\n<launching> x\n{log}\n[pid=7] <kill>")

    assert f"found: {said}; run `bequest browser install`" in not_started(Path("/opt/chrome"), error)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Downloading\nError: getaddrinfo ENOTFOUND cdn.example\n  code: 'ENOTFOUND'\n}\n",
            "Error: getaddrinfo ENOTFOUND cdn.example",
        ),
        ("Reading lists\nE: Unable to locate package chromium\n", "E: Unable to locate package chromium"),
        ("one\ntwo\n\n", "two"),
        ("", "it said nothing"),
    ],
)
def test_failed_step_is_reported_by_its_telling_line(text: str, line: str) -> None:
    """Of what a command wrote the line that names the error is reported, not the bracket that ends it."""
    assert telling_line(text) == line
