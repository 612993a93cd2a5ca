"""A secret that an engine is given is searched for while it works, after that, and in all that it gives (I16)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from canary_rig import CANARY, Members, Watch, files_under, hits, spellings
from loopback_site import Serve
from programs import DEADLINE_S

from bequest import KeyFile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

PROGRAM = Path(__file__).with_name("canary_program.py")
PROFILE = "playwright_chromiumdev_profile"
WHILE_IT_WORKS = {"jobs.db", "jobs.db-wal", "jobs.db-shm", "jobs.db.lock", "debug.log"}
AFTERWARDS = {"jobs.db", "jobs.db.lock", "before.db", "after.db", "archive.jsonl", "debug.log"} | {
    *("documents.jsonl", "page.md", "documents.txt", "job.txt", "causes.txt", "entries.txt", "credential.txt"),
    *("vault.txt", "events.txt", "logs.txt", "stats.txt", "health.txt", "session.txt"),
    *("login failed.txt", "no file.txt", "other key.txt", "other type.txt"),
}
ROOT = Path(__file__).parents[2]
TAKING = re.compile(
    r"\.screenshot\(|\.pdf\(|captureScreenshot|printToPDF|record_(har|video)|\.tracing\b|Tracing\.start"
)


def keys_in(file: KeyFile) -> list[str]:
    """Return the texts of all its keys, and their bytes as hexadecimal digits."""
    key = file()
    return [*key.encode().splitlines(), *(one.reveal().hex() for one in (key, *key.former))]


class Program:
    """The program at work, in a folder of its own."""

    def __init__(self, url: str, folder: Path, temporary: Path) -> None:
        self.given, self.work = folder / "given", folder / "work"
        self.given.mkdir()
        self.work.mkdir()
        (self.given / "secret").write_text(CANARY)
        self.key = KeyFile(self.given / "key")
        self.key.create()
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, url, self.given],
            cwd=self.work,
            env={**os.environ, "HOME": str(folder / "home"), "TMPDIR": str(temporary)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, said: str) -> None:
        """Wait until it says where it is."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{said}\n", self._process.communicate()

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def finish(self) -> str:
        """Wait for its end and return what it wrote to stderr."""
        out, err = self._process.communicate("\n", timeout=DEADLINE_S)
        assert (self._process.returncode, out) == (0, "")
        return err


def test_secret_of_an_engine_is_found_nowhere(serve: Serve, tmp_path: Path, temporary: Path) -> None:
    """Neither while a page is under way nor afterwards is it in a file, a process, an error, or what is given out."""
    members = Members()
    members.is_free.clear()
    url = serve(members).url()

    with Watch() as watch:
        program = Program(url, tmp_path, temporary)
        program.wait_until("held")
        assert members.is_held.wait(DEADLINE_S)
        during = files_under(program.work, temporary)
        members.is_free.set()
        program.go_on()
        program.wait_until("stopped")
        left = list(temporary.rglob("*"))
        afterwards = files_under(program.work)
        err = program.finish()

    processes = {f"process {command!r}": command + environment for command, environment in watch.seen}
    contents = {
        **{f"during: {place}": content for place, content in during.items()},
        **{f"afterwards: {place}": content for place, content in afterwards.items()},
        **processes,
        "stderr": err.encode(),
    }
    assert {Path(place).name for place in during} >= WHILE_IT_WORKS
    assert {Path(place).name for place in afterwards} == AFTERWARDS
    assert any(PROFILE in place for place in during)  # what the browser keeps on the disk was looked at
    assert any("--remote-debugging-pipe" in place and str(temporary) in place for place in processes)  # its own browser
    assert b"cookies injected" in afterwards[str(program.work / "debug.log")]
    assert b"JobMoved" in afterwards[str(program.work / "out" / "events.txt")]
    assert {Path(place).name for place in hits(CANARY, files_under(program.given))} == {"secret"}
    assert hits(CANARY, contents) == []
    assert [hit for key in keys_in(program.key) for hit in hits(key, contents)] == []
    assert left == []  # with the engine goes all that the browser kept on the disk


def test_engine_takes_no_picture_and_no_trace() -> None:
    """No module asks the browser for a screenshot, a video, a HAR or a trace, so there is none to search."""
    house = [path for folder in ("engine", "actors", "console") for path in (ROOT / folder).rglob("*.py")]

    asking = [path for path in house if TAKING.search(path.read_text("utf-8"))]

    assert len(house) > 100
    assert asking == []


@pytest.mark.parametrize("given", sorted(spellings(CANARY)))
def test_search_finds_every_spelling(given: bytes) -> None:
    """What is searched for is found wherever it stands in a file."""
    assert hits(CANARY, {"place": b"before" + given + b"after", "other": b"nothing"}) == ["place"]
