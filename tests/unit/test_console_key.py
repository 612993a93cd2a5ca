"""``bequest key``: the ids of the keys, another key in the place of one, and a former one taken out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bequest import Cookie, Credential, Engine, Key, KeyFile, Secret
from bequest.console.main import run_command

CANARY = "canary-of-a-session"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder to work in, with a key file beside it that is named in the environment."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("BEQUEST_KEY", "CREDENTIALS_DIRECTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BEQUEST_KEY_FILE", str(tmp_path / "key"))
    return tmp_path / "work"


@pytest.fixture
def file(folder: Path) -> KeyFile:
    """Give that key file, with a key in it."""
    made = KeyFile(folder.parent / "key")
    made.create()
    return made


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command and return its exit code and what it wrote to stdout and stderr."""
    capsys.readouterr()
    code = run_command(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def store(database: str, key: Key, *names: str) -> None:
    cookie = Cookie(name="sid", value=Secret(CANARY), domain="wiki.example", host_only=True)
    with Engine(database, key=lambda: key, resume=False) as engine:
        for name in names:
            engine.credentials.put(Credential(auth_id=name, sites=("wiki.example",), cookies=(cookie,)))


def sealed_with(database: str, key: Key | None = None) -> list[str]:
    """Return the ids of the keys of the stored sessions, all of which open with *key*."""
    with Engine(database, key=None if key is None else lambda: key, resume=False) as engine:
        entries = engine.credentials.list()
        for entry in entries if key is not None else ():
            assert engine.credentials.get(entry.auth_id) is not None
    return [entry.key_id for entry in entries]


def test_rotation_makes_a_key_and_seals_all_with_it(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """The new key comes first in the file, the former one stays, and the person is told of both."""
    first = file()
    store("bequest.db", first, "wiki", "shop")

    code, out, err = run(capsys, "key", "rotate")

    second = file()
    assert code == 0
    assert second.ids == (second.ids[0], first.id)
    assert sealed_with("bequest.db", Key(second.reveal())) == [second.id, second.id]
    assert out == f"bequest.db: 2 sessions sealed anew with key {second.id}\n"
    assert f"keep a copy of the new key {second.id} in {file.path}" in err
    assert f"`bequest key forget {first.id}` takes it out" in err


def test_rotation_of_a_second_database_makes_no_further_key(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """What a former key has sealed, in another database or since a killed rotation, gets the newest there is."""
    store("a.db", file(), "wiki")
    store("b.db", file(), "wiki")
    run(capsys, "key", "rotate", "--db", "a.db")
    newest = file()

    code, out, err = run(capsys, "key", "rotate", "--db", "b.db")

    assert (code, err) == (0, "")
    assert out == f"b.db: 1 session sealed anew with key {newest.id}\n"
    assert file().ids == newest.ids
    assert sealed_with("a.db", newest) == sealed_with("b.db", newest) == [newest.id]


def test_rotation_takes_several_databases(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """One new key for all of them; a database that is not there is not made."""
    store("a.db", file(), "wiki")
    store("b.db", file(), "wiki", "shop")

    code, out, _ = run(capsys, "key", "rotate", "--db", "a.db", "--db", "b.db", "--db", "none.db", "--db", "a.db")

    assert code == 0
    assert len(file().ids) == 2
    assert len(out.splitlines()) == 2
    assert not Path("none.db").exists()
    assert {*sealed_with("a.db"), *sealed_with("b.db")} == {file().id}


def test_rotation_beside_an_engine_costs_no_key(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that somebody uses is refused before a key is made."""
    store("bequest.db", file(), "wiki")
    before = file().ids

    with Engine("bequest.db", resume=False):
        code, _, err = run(capsys, "key", "rotate")

    assert code == 2
    assert "owns" in err or "owned" in err or "uses" in err
    assert file().ids == before


def test_rotation_with_another_key_costs_no_key(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """A session that the key does not open is named, with both keys, before a key is made."""
    other = Key.generate()
    store("bequest.db", other, "wiki")
    before = file().ids

    code, _, err = run(capsys, "key", "rotate")

    assert code == 2
    assert f"credential 'wiki' is sealed with key {other.id}, found key {file().id} from {file.path}" in err
    assert file().ids == before


def test_key_that_is_handed_over_is_followed_by_one_in_a_file(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key from a variable cannot be changed there: the error names the option, and the option makes the file."""
    first = Key.generate()
    store("bequest.db", first, "wiki")
    monkeypatch.delenv("BEQUEST_KEY_FILE")
    monkeypatch.setenv("BEQUEST_KEY", first.encode())
    refused, _, said = run(capsys, "key", "rotate")
    monkeypatch.setenv("BEQUEST_KEY", first.encode())

    code, _, err = run(capsys, "key", "rotate", "--to", "next/key")

    made = KeyFile(folder / "next" / "key")()
    assert (refused, code) == (2, 0)
    assert "bequest key rotate --to FILE" in said
    assert made.ids == (made.id, first.id)
    assert sealed_with("bequest.db", made) == [made.id]
    assert "next/key is the key file from now on; name it in BEQUEST_KEY_FILE" in err


def test_rotation_to_a_file_goes_on_where_it_was_killed(
    folder: Path, file: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file with a key that follows the one in force is used; one with other keys is refused."""
    store("bequest.db", file(), "wiki")
    made = KeyFile(folder / "next").create(former=[file()])
    KeyFile(folder / "other").create()

    refused, _, err = run(capsys, "key", "rotate", "--to", "other")
    code, _, _ = run(capsys, "key", "rotate", "--to", "next")

    assert (refused, code) == (2, 0)
    assert "asked to make a key in other, found other keys there; name another file" in err
    assert KeyFile(folder / "next")().ids == made.ids
    assert sealed_with("bequest.db", made) == [made.id]


def test_rotation_says_when_somebody_reads_former_seals(
    folder: Path, file: KeyFile, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader of an older state keeps them in the log, which the person is told."""
    from bequest.engine.clock import SystemClock
    from bequest.engine.database_file import open_reader

    store("bequest.db", file(), "wiki")
    reader = open_reader(str(folder / "bequest.db"), clock=SystemClock())
    reader.run("BEGIN")
    reader.rows("SELECT count(*) FROM credential")

    code, _, err = run(capsys, "key", "rotate")
    reader.close()

    assert code == 0
    assert "somebody reads bequest.db; former seals stay in its write-ahead log until that ends" in err


def test_former_key_is_forgotten_when_nothing_needs_it(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """What still seals a session stays, and what seals from now on too."""
    first = file()
    store("bequest.db", first, "wiki")
    file.add()

    needed = run(capsys, "key", "forget", first.id)
    run(capsys, "key", "rotate")
    seals = run(capsys, "key", "forget", file().id, "--db", "none.db")
    done = run(capsys, "key", "forget", first.id)

    assert (needed[0], seals[0], done[0]) == (2, 2, 0)
    assert f"asked to forget key {first.id}, found 1 session sealed with it in bequest.db" in needed[2]
    assert "found that it is the one that seals" in seals[2]
    assert done[1] == f"forgot key {first.id}\n"
    assert first.id not in file().ids


def test_keys_are_shown_by_their_ids(file: KeyFile, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with its use and how many sessions it seals, those that are missing too, and never a key."""
    first, lost = file(), Key.generate()
    store("bequest.db", lost, "gone")
    store("bequest.db", first, "wiki", "shop")
    newest = file.add()

    code, out, _ = run(capsys, "key", "show")
    _, as_json, _ = run(capsys, "key", "show", "--json")

    shown = [json.loads(line) for line in as_json.splitlines()]
    assert code == 0
    assert [(one["key"], one["use"], one["sessions"]) for one in shown] == [
        (newest.id, "seals", 0),
        (first.id, "opens", 2),
        (lost.id, "missing", 1),
    ]
    assert f"from {file.path} (BEQUEST_KEY_FILE)" in out
    assert out.splitlines()[2].split() == [newest.id, "seals", "0"]
    for secret in newest.encode().splitlines():
        assert secret not in out + as_json


def test_new_key_is_put_before_those_of_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file is made where there is none; the keys of one that is there stay below the new one."""
    made, out, _ = run(capsys, "key", "new", "fresh/key")
    first = KeyFile(folder / "fresh" / "key")()
    added, _, _ = run(capsys, "key", "new", "fresh/key")

    assert (made, added) == (0, 0)
    assert f"made key {first.id} in fresh/key; keep a copy" in out
    assert KeyFile(folder / "fresh" / "key")().ids[1:] == (first.id,)
