"""The key: its text, its file, and that it shows nothing."""

from __future__ import annotations

import base64
import copy
import os
import pickle
import resource
import stat
from pathlib import Path

import pytest

from bequest.engine.errors import KeyFileError
from bequest.engine.keys import Key, KeyFile

SECRET = bytes(range(32))


def key_file(path: Path, *, mode: int = 0o600, text: str | None = None) -> KeyFile:
    path.write_text(f"{Key(SECRET).encode()}\n" if text is None else text)
    path.chmod(mode)
    return KeyFile(path)


def test_key_is_made_of_the_random_bytes_that_it_is_given() -> None:
    """A generated key has 32 bytes of the source that it was given."""
    key = Key.generate(lambda count: b"k" * count)

    assert key.reveal() == b"k" * 32


def test_keys_generated_are_different() -> None:
    """Two new keys differ, and so do their ids."""
    first, second = Key.generate(), Key.generate()

    assert first.reveal() != second.reveal()
    assert first.id != second.id


def test_key_text_is_read_as_it_was_written() -> None:
    """Encoding and decoding give the same key, also with white space around the text."""
    key = Key(SECRET)

    again = Key.decode(f" {key.encode()}\r\n")

    assert (again.reveal(), again.id) == (SECRET, key.id)


def test_key_shows_nothing_of_itself() -> None:
    """repr, str and id hold neither the bytes nor their text (I16)."""
    key = Key(SECRET)

    shown = f"{key!r} {key} {key.id}"

    assert shown == f"Key(id={key.id!r}) Key(id={key.id!r}) {key.id}"
    for secret in (SECRET.hex(), key.encode(), repr(SECRET)):
        assert key.id not in secret


def test_key_is_not_pickled_or_copied() -> None:
    """A key leaves its process in no way but ``encode``."""
    key = Key(SECRET)

    with pytest.raises(TypeError, match="not pickled or copied"):
        pickle.dumps(key)
    with pytest.raises(TypeError, match="not pickled or copied"):
        copy.deepcopy(key)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "found 0"),
        ("canary", "found another text"),
        ("canary!=", "found another text"),
        ("ключ", "found another text"),
        (base64.urlsafe_b64encode(b"canary" * 5).decode(), "found 30"),
        (base64.urlsafe_b64encode(b"c" * 33).decode(), "found 33"),
        (f"{Key(SECRET).encode()[:20]} {Key(SECRET).encode()[20:]}", "found another text"),
    ],
)
def test_key_text_is_refused_without_quoting_it(text: str, found: str) -> None:
    """What is not base64url of 32 bytes is no key, and the message does not show it (I16)."""
    with pytest.raises(KeyFileError, match=found) as caught:
        Key.decode(text)

    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


def test_key_file_creates_a_key_that_it_reads(tmp_path: Path) -> None:
    """The key that was created is the one that is read."""
    file = KeyFile(tmp_path / "key")

    created = file.create()

    assert file().reveal() == created.reveal()


def test_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """The file is made 0600 and every folder made for it 0700, whatever the umask allows."""
    file = KeyFile(tmp_path / "a" / "b" / "key")
    before = os.umask(0)

    file.create()
    os.umask(before)

    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(file.path.parents)[:2]] == [0o700, 0o700]


def test_key_file_leaves_the_folders_that_exist_as_they_are(tmp_path: Path) -> None:
    """A folder that was there keeps its mode."""
    tmp_path.chmod(0o755)

    KeyFile(tmp_path / "key").create()

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    """Where a file or a link is, no key is made and nothing changes."""
    file = key_file(tmp_path / "key")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")

    for one in (file, KeyFile(link)):
        with pytest.raises(KeyFileError, match="found a file there"):
            one.create()

    assert file().reveal() == SECRET
    assert not (tmp_path / "target").exists()


def test_key_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the disk takes no more, the error says so and no half key is in the way of the next try."""
    file = KeyFile(tmp_path / "key")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))

    try:
        with pytest.raises(KeyFileError, match="File too large"):
            file.create()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(tmp_path.iterdir()) == []


def test_key_file_that_is_missing_says_how_to_make_one(tmp_path: Path) -> None:
    """A missing file is named, with the way to make it."""
    file = KeyFile(tmp_path / "none")

    with pytest.raises(KeyFileError, match=r"none, found no file; make one with KeyFile\(...\).create\(\)"):
        file()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_key_file_that_others_may_open_is_refused(mode: int, tmp_path: Path) -> None:
    """A key that group or others may read, write or run is taken for known to them."""
    file = key_file(tmp_path / "key", mode=mode)

    with pytest.raises(KeyFileError, match="chmod 600"):
        file()


def test_key_file_may_be_read_only(tmp_path: Path) -> None:
    """A key that even its owner cannot write is a good one."""
    file = key_file(tmp_path / "key", mode=0o400)

    assert file().reveal() == SECRET


def test_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that belongs to somebody else is theirs to read and to change."""
    file = key_file(tmp_path / "key")
    owner = file.path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(KeyFileError, match="belongs to another user"):
        file()


def test_key_file_is_a_regular_file(tmp_path: Path) -> None:
    """A folder and a pipe hold no key, and a pipe is not waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(KeyFileError, match="found no regular file"):
            KeyFile(path)()


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_key_file_judges_what_a_link_leads_to(mode: int, tmp_path: Path) -> None:
    """A link is followed, and the mode of the file behind it counts."""
    key_file(tmp_path / "key", mode=mode)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "key")

    if mode == 0o600:
        assert KeyFile(link)().reveal() == SECRET
    else:
        with pytest.raises(KeyFileError, match="chmod 600"):
            KeyFile(link)()


@pytest.mark.parametrize("text", ["", "canary", "canary" * 1000, "\xff\x00canary"])
def test_key_file_with_another_content_is_named_and_not_quoted(text: str, tmp_path: Path) -> None:
    """A file that holds no key is named, and what it holds is not shown (I16)."""
    file = key_file(tmp_path / "key", text=text)

    with pytest.raises(KeyFileError) as caught:
        file()

    assert str(caught.value).startswith(f"{file.path}: ")
    assert "canary" not in str(caught.value)


def test_key_file_path_may_begin_with_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the user's home, and that of nobody is an error that names it."""
    monkeypatch.setenv("HOME", str(tmp_path))

    assert KeyFile("~/key").path == tmp_path / "key"
    with pytest.raises(KeyFileError, match="no user of that name"):
        KeyFile("~no-such-user-here/key")


def test_key_file_that_the_system_refuses_is_named(tmp_path: Path) -> None:
    """A path through a file is no way to a key, neither to read nor to make one."""
    key_file(tmp_path / "key")
    file = KeyFile(tmp_path / "key" / "inner")

    with pytest.raises(KeyFileError, match="Not a directory"):
        file()
    with pytest.raises(KeyFileError, match="Not a directory"):
        file.create()
