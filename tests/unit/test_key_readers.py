"""Who may read a key: judged from owner, mode and access control list, as systemd makes them too."""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path

import pytest

from bequest.engine import key_readers
from bequest.engine.errors import KeyFileError
from bequest.engine.key_files import KeyFile
from bequest.engine.key_readers import is_for_one, is_open, list_of

SERVICE = 990  # the user of a service
NOBODY = 0xFFFFFFFF
OWNER, USER, GROUP_OF_FILE, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32
READ = 4
AS_SYSTEMD_MAKES_IT = [
    (OWNER, READ, NOBODY),
    (USER, READ, SERVICE),
    (GROUP_OF_FILE, 0, NOBODY),
    (MASK, READ, NOBODY),
    (OTHER, 0, NOBODY),
]


def access_list(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.mark.parametrize("mode", [0o100400, 0o100600, 0o100700])
def test_file_for_its_owner_is_closed(mode: int) -> None:
    """Without a right for group and others nobody else gets in, whatever a list says behind its mask."""
    assert not is_open(mode, None, SERVICE)
    assert not is_open(mode, access_list(*AS_SYSTEMD_MAKES_IT), SERVICE)


def test_file_that_systemd_hands_to_a_service_is_closed() -> None:
    """Mode 0440 with a list for the service's user alone is how a credential lies in its folder."""
    assert not is_open(0o100440, access_list(*AS_SYSTEMD_MAKES_IT), SERVICE)


@pytest.mark.parametrize(
    ("mode", "entries"),
    [
        (0o100440, None),
        (0o100444, AS_SYSTEMD_MAKES_IT),
        (0o100440, [(USER, READ, SERVICE + 1)]),
        (0o100440, [*AS_SYSTEMD_MAKES_IT, (USER, READ, SERVICE + 1)]),
        (0o100440, [*AS_SYSTEMD_MAKES_IT, (GROUP, READ, SERVICE)]),
        (0o100440, [(GROUP_OF_FILE, READ, NOBODY)]),
        (0o100440, [(OTHER, READ, NOBODY)]),
        (0o100420, [(GROUP_OF_FILE, 2, NOBODY)]),
    ],
)
def test_file_that_others_have_a_right_to_is_open(mode: int, entries: list[tuple[int, int, int]] | None) -> None:
    """A group, another user or all others: each is one too many."""
    assert is_open(mode, None if entries is None else access_list(*entries), SERVICE)


@pytest.mark.parametrize("text", [b"", b"\x02\x00\x00", b"\x03\x00\x00\x00", access_list((USER, READ, SERVICE))[:-1]])
def test_list_that_is_not_understood_counts_for_nothing(text: bytes) -> None:
    """Another version, or half of a list, lets nobody in."""
    assert not is_for_one(text, SERVICE)


def test_key_of_root_is_read_where_it_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service reads the key that systemd hands it, and refuses one that is for a second user too."""
    made = KeyFile(tmp_path / "key").create()
    (tmp_path / "key").chmod(0o440)
    monkeypatch.setattr(key_readers, "ROOT", (tmp_path / "key").stat().st_uid)
    monkeypatch.setattr(os, "geteuid", lambda: SERVICE)
    lists = [AS_SYSTEMD_MAKES_IT, [*AS_SYSTEMD_MAKES_IT, (USER, READ, SERVICE + 1)]]
    monkeypatch.setattr(key_readers, "list_of", lambda _: access_list(*lists.pop(0)))

    assert KeyFile(tmp_path / "key")().id == made.id
    with pytest.raises(KeyFileError, match="others may read the key"):
        KeyFile(tmp_path / "key")()


def test_list_is_asked_of_the_open_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the list of the file that is read; where there is none, or no such thing, there is none."""
    descriptor = os.open(tmp_path, os.O_RDONLY)
    answers = [b"the list"]
    monkeypatch.setattr(os, "getxattr", lambda _file, name: answers.pop() if name == key_readers.LIST_NAME else b"")

    found = list_of(descriptor)
    monkeypatch.setattr(os, "getxattr", refuse)
    missing = list_of(descriptor)
    monkeypatch.setattr(sys, "platform", "darwin")
    elsewhere = list_of(descriptor)
    os.close(descriptor)

    assert (found, missing, elsewhere) == (b"the list", None, None)


def refuse(*_: object) -> bytes:
    raise OSError
