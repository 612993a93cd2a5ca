"""A secret whose value is known is searched for wherever a crawl leaves anything (I16)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import canary_rig
import pytest
from canary_rig import CANARY, Members, Watch, files_under, hits
from loopback_site import Serve
from programs import DEADLINE_S, CommandLine, Ended

from bequest import Key

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

ROOT = Path(__file__).parents[2]
NOT_OURS = {"build", "dist", "__pycache__"}
NAMES = {"bequest.db", "bequest.db-wal", "bequest.db-shm", "bequest.db.lock", "out.jsonl", "debug.log"}
PROGRAM = "logged_bequest.py"
LOGGED = """
import logging
logging.basicConfig(level=logging.DEBUG, filename="debug.log")
from bequest.console.main import main
main()
"""


@pytest.fixture
def bequest(tmp_path: Path, temporary: Path) -> CommandLine:
    """Give the command line with all loggers at debug, and beside its folder files that hold the canary."""
    line = CommandLine(tmp_path)
    (tmp_path / PROGRAM).write_text(LOGGED)
    line.program = [sys.executable, tmp_path / PROGRAM]
    line.environment |= {"TMPDIR": str(temporary)}
    cookie = {"name": "sid", "value": CANARY, "domain": "127.0.0.1", "path": "/"}
    (tmp_path / "given").mkdir()
    for name, given in {
        "good.json": [cookie, {**cookie, "name": "__Host-x"}, {**cookie, "name": "big", "value": CANARY * 300}],
        "state.json": {"cookies": [cookie], "origins": []},
        "expired.json": [{**cookie, "expirationDate": 1}],
        "other.json": [{**cookie, "domain": "shop.example"}],
        "broken.json": [{**cookie, "domain": [CANARY]}],
    }.items():
        (tmp_path / "given" / name).write_text(json.dumps(given))
    (tmp_path / "given" / "broken.txt").write_text(f"127.0.0.1\tFALSE\t/\tMAYBE\t0\tsid\t{CANARY}\n")
    return line


def crawl_all_ways(bequest: CommandLine, members: Members, url: str, key: str) -> Iterator[Ended]:
    """Yield what each command came to: crawls that end well and badly, bad files, and all that shows something."""
    crawl = ("crawl", url, "--allow-private", "--export", "out.jsonl")
    add = ("auth", "add", "members", "--site", "127.0.0.1")
    yield bequest(*add, "../given/good.json", BEQUEST_KEY=key)
    yield bequest(*crawl, "--auth", "members", BEQUEST_KEY=key)
    yield bequest(*crawl, "--cookies", "../given/state.json", BEQUEST_KEY=key)
    for name in ("expired.json", "other.json", "broken.json", "broken.txt"):
        yield bequest(*add, f"../given/{name}", BEQUEST_KEY=key)
        yield bequest(*crawl, "--cookies", f"../given/{name}", BEQUEST_KEY=key)
    yield bequest("auth", "show", "members", BEQUEST_KEY=Key.generate().encode())
    yield bequest(*crawl, "--auth", "members", BEQUEST_KEY=f"{key}x")
    members.session = "another"
    yield bequest(*crawl, "--auth", "members", "--max-pages", "7", BEQUEST_KEY=key)
    for command in ("jobs", "job 1", "job 2", "job 3", "logs 1", "auth list", "auth show members"):
        yield bequest(*command.split(), BEQUEST_KEY=key)
        yield bequest(*command.split(), "--json", BEQUEST_KEY=key)
    yield bequest("doctor", BEQUEST_KEY=key)


def kill_in_mid_crawl(bequest: CommandLine, members: Members, url: str, key: str) -> Ended:
    """Kill a crawl while a page is under way, so that the write-ahead log is left as it was."""
    members.is_free.clear()
    running = bequest.start("crawl", url, f"{url}held", "--auth", "members", "--allow-private", BEQUEST_KEY=key)
    assert members.is_held.wait(DEADLINE_S)
    running.kill()
    members.is_free.set()
    return running.finish()


def test_secret_is_found_nowhere(bequest: CommandLine, serve: Serve, tmp_path: Path, temporary: Path) -> None:
    """Neither a cookie's value nor the key is in database, log, export, output, temporary file or process."""
    members = Members()
    url = serve(members).url()
    key = Key.generate().encode()
    searched = (bequest.folder, bequest.home, temporary)

    with Watch() as watch:
        first = bequest("auth", "add", "members", "../given/good.json", "--site", "127.0.0.1", BEQUEST_KEY=key)
        killed = kill_in_mid_crawl(bequest, members, url, key)
        left = files_under(*searched)
        said = [first, killed, *crawl_all_ways(bequest, members, url, key)]

    outputs = {f"output {number}": f"{ended.out}{ended.err}".encode() for number, ended in enumerate(said)}
    started = {f"process {command!r}": command + environment for command, environment in watch.seen}
    others = {place: content for place, content in started.items() if PROGRAM not in place}  # it was given the key
    contents = {**{f"killed: {place}": content for place, content in left.items()}, **files_under(*searched), **outputs}
    assert {0, 1, 2} <= {ended.code for ended in said}
    assert members.admitted > 5
    assert len(hits(CANARY, files_under(tmp_path / "given"))) == 6  # the search finds what is there
    assert any("--remote-debugging-pipe" in place and str(temporary) in place for place in others)  # its own browser
    assert {Path(place).name for place in contents} >= NAMES
    assert b"cookies injected" in (bequest.folder / "debug.log").read_bytes()
    assert hits(CANARY, {**contents, **started}) == []
    assert hits(key, {**contents, **others}) == []


def test_secret_is_written_in_no_other_file_of_the_project() -> None:
    """The canary stands in one file alone, so that a hit elsewhere would be a leak."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS]
    ours = [path for path in folders if not path.name.startswith(".") or path.name == ".ci"]
    files = [path for path in ROOT.iterdir() if path.is_file()] + [
        path for folder in ours for path in folder.rglob("*.*")
    ]

    found = [
        path for path in files if path.suffix != ".pyc" and path.is_file() and CANARY.encode() in path.read_bytes()
    ]

    assert found == [Path(canary_rig.__file__)]
