"""A rotation of the key is killed with SIGKILL at every point: the key file opens everything, before and afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bequest import Cookie, Credential, Engine, Key, KeyFile, Secret
from bequest.console.main import run_command
from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import SealedCredential

CHILD = Path(__file__).with_name("rotation_child.py")
NAMES = [f"wiki {number}" for number in range(12)]
DEADLINE_S = 120


def session(name: str) -> Credential:
    cookie = Cookie(name="sid", value=Secret(f"value of {name}"), domain="wiki.example", host_only=True)
    return Credential(auth_id=name, sites=("wiki.example",), cookies=(cookie,))


def stored(database: Path) -> list[SealedCredential]:
    """Return what is stored, still sealed, from a database that is found whole."""
    reader = open_reader(str(database), clock=SystemClock())
    queries = Queries(reader)
    assert queries.integrity() == []
    found = [queries.credential(name) for name in NAMES]
    reader.close()
    return [one for one in found if one is not None]


def opened_with(database: Path, key: KeyFile | Key) -> list[Credential | None]:
    """Return the sessions that an engine with that key gives."""
    source = key if isinstance(key, KeyFile) else lambda: key
    with Engine(database, key=source, resume=False) as engine:
        return [engine.credentials.get(name) for name in NAMES]


def rotate_and_kill(database: Path, points: int, *, within: bool) -> str:
    """Kill the program at the last of so many points, or *within* what follows it; return the name of that point."""
    child = subprocess.Popen(
        [sys.executable, CHILD, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "BEQUEST_KEY_FILE": str(database.with_name("key"))},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    said = b""
    for point in range(1, points + 1):
        said = child.stdout.readline()
        if not said.startswith(b"point"):
            break
        if point < points or within:
            child.stdin.write(b".")
    child.kill()
    child.wait(DEADLINE_S)
    child.stdin.close()
    child.stdout.close()
    return said.decode().removeprefix("point ").strip()


@pytest.mark.parametrize("within", [False, True])
def test_killed_rotation_leaves_what_its_key_file_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: bool
) -> None:
    """Killed anywhere, all is sealed with one key, the file opens it, and another rotation leaves nothing former."""
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    first = KeyFile(fresh / "key").create()
    with Engine(fresh / "jobs.db", key=lambda: first, resume=False) as engine:
        for name in NAMES:
            engine.credentials.put(session(name))
    former = stored(fresh / "jobs.db")
    sessions: list[Credential | None] = [session(name) for name in NAMES]
    keys_found, seals_found, said = set(), set(), ["start"]

    while said[-1].startswith(("start", "before", "after")):
        folder = tmp_path / f"killed {len(said)}"
        shutil.copytree(fresh, folder)
        database, file = folder / "jobs.db", KeyFile(folder / "key")
        said.append(rotate_and_kill(database, len(said), within=within))

        left, keys = stored(database), file()
        assert keys.ids[-1] == first.id
        assert len({(one.key_id, one.version) for one in left}) == 1
        assert opened_with(database, file) == sessions
        keys_found.add(len(keys.ids))
        seals_found.add(left[0].version)

        monkeypatch.setenv("BEQUEST_KEY_FILE", str(file.path))
        assert run_command(["key", "rotate", "--db", str(database)]) == 0
        newest = Key(file().reveal())
        assert opened_with(database, newest) == sessions
        assert all(now.version > was.version for now, was in zip(stored(database), former, strict=True))
        content = b"".join(path.read_bytes() for path in folder.iterdir())
        assert not any(part in content for one in former for part in (one.nonce, one.ciphertext))

    assert said[1:9] == [
        "before open",
        "before os.rename",
        "before ListSealedByOthers",
        "after ListSealedByOthers",
        "before ResealCredentials",
        "after ResealCredentials",
        "before Scrub",
        "after Scrub",
    ]
    assert (keys_found, seals_found) == ({1, 2}, {1, 2})
