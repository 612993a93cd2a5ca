"""The key's file: for its owner alone, whole at every moment, and how one key takes the place of another in it."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
from pathlib import Path
from traceback import walk_tb

import pytest

from bequest.engine import key_readers
from bequest.engine.errors import KeyFileError
from bequest.engine.key_files import MAX_KEYS, KeyFile
from bequest.engine.keys import Key

SECRET = bytes(range(32))


def key_file(path: Path, *, mode: int = 0o600, text: str | None = None) -> KeyFile:
    path.write_text(f"{Key(SECRET).encode()}\n" if text is None else text)
    path.chmod(mode)
    return KeyFile(path)


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
    monkeypatch.setattr(key_readers, "ROOT", -1)  # so that the tests may run as root
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


# Several keys in one file


def lines(file: KeyFile) -> list[str]:
    return file.path.read_text().splitlines()


def test_key_that_is_added_seals_and_the_former_ones_open(tmp_path: Path) -> None:
    """The new key is the first line, the others stay below it, and the file stays for its owner alone."""
    file = KeyFile(tmp_path / "key")
    first = file.create()

    second, third = file.add(), file.add()

    assert file().ids == third.ids == (third.id, second.id, first.id)
    assert lines(file) == third.encode().splitlines()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_key_file_is_made_with_the_keys_that_it_follows(tmp_path: Path) -> None:
    """A new file may begin with former keys below its own."""
    former = Key(SECRET)

    made = KeyFile(tmp_path / "key").create(former=[former])

    assert KeyFile(tmp_path / "key")().ids == made.ids == (made.id, former.id)


def test_former_key_is_dropped_and_the_one_that_seals_is_not(tmp_path: Path) -> None:
    """What is dropped is gone from the file; what seals stays, with an error that says so."""
    file = KeyFile(tmp_path / "key")
    first, second = file.create(), file.add()

    with pytest.raises(KeyFileError, match="the one that seals"):
        file.drop(second.id)
    left = file.drop(first.id)

    assert file().ids == left.ids == (second.id,)
    assert lines(file) == [second.encode().splitlines()[0]]


def test_leftover_of_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    """What a killed program was writing beside the file is written anew."""
    file = KeyFile(tmp_path / "key")
    file.create()
    (tmp_path / "key.new").write_text("half a k")

    added = file.add()

    assert file().id == added.id
    assert not (tmp_path / "key.new").exists()


def test_key_file_that_cannot_be_changed_stays_as_it_was(tmp_path: Path) -> None:
    """When the disk takes no more, the former key is still there and no half one beside it."""
    file = KeyFile(tmp_path / "key")
    first = file.create()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))

    try:
        with pytest.raises(KeyFileError, match=r"asked to change the key in .*, found File too large"):
            file.add()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert file().ids == (first.id,)
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_key_file_is_changed_by_one_program_at_a_time(tmp_path: Path) -> None:
    """While another program changes it nothing is written: of two keys that are added at once one would be lost."""
    file = KeyFile(tmp_path / "key")
    first = file.create()
    other = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)

    with pytest.raises(KeyFileError, match="found another program at it; try again"):
        file.add()
    os.close(other)

    assert file().ids == (first.id,)
    assert file.add().ids[1:] == (first.id,)


def test_no_key_is_written_through_a_link(tmp_path: Path) -> None:
    """A link would be replaced by a file, and what it leads to left behind."""
    KeyFile(tmp_path / "key").create()
    (tmp_path / "link").symlink_to(tmp_path / "key")

    with pytest.raises(KeyFileError, match="found a link; name the file it leads to"):
        KeyFile(tmp_path / "link").add()

    assert (tmp_path / "link").is_symlink()


def test_key_file_that_is_missing_is_not_changed(tmp_path: Path) -> None:
    """Neither where its folder is there nor where it is not."""
    with pytest.raises(KeyFileError, match="found no file"):
        KeyFile(tmp_path / "none").add()
    with pytest.raises(KeyFileError, match=r"asked to change the key in .*, found No such file or directory"):
        KeyFile(tmp_path / "no" / "folder").add()


def test_key_file_holds_so_many_keys_and_no_more(tmp_path: Path) -> None:
    """A hundred keys are read; the next one is refused, with what to do, before it is written."""
    keys = [Key(number.to_bytes(32, "big")) for number in range(MAX_KEYS)]
    file = key_file(tmp_path / "key", text="".join(f"{key.encode()}\n" for key in keys))

    with pytest.raises(KeyFileError, match=f"found {MAX_KEYS}; drop one"):
        file.add()

    assert file().ids == tuple(key.id for key in keys)


def test_key_file_with_another_content_stays_out_of_the_variables_of_a_traceback(tmp_path: Path) -> None:
    """Whoever logs the variables of every frame logs nothing that may be most of a key (I16)."""
    file = key_file(tmp_path / "key", text=f"{Key(b'canary' * 5 + b'ca').encode()}\ncanary")

    with pytest.raises(KeyFileError) as caught:
        file()

    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__) if "/engine/" in frame.f_code.co_filename]
    assert frames
    assert "anary" not in repr([frame.f_locals for frame in frames])
    assert "Y2FuYXJ5" not in repr([frame.f_locals for frame in frames])
