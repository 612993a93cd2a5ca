"""The key in a keyring, with a keyring of the test's own that keeps it in memory, is locked, or is not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from traceback import walk_tb

import keyring
import keyring.backend
import keyring.errors
import pytest
from keyring.core import load_keyring

from bequest.engine.errors import KeyFileError
from bequest.engine.keyring_key import KeyringKey
from bequest.engine.keys import Key


class Memory(keyring.backend.KeyringBackend):
    """A keyring that forgets all with the test; *trouble* is raised by whatever is asked of it."""

    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.trouble: Exception | None = None
        self.is_deaf = False  # whether what is set is not kept

    def get_password(self, service: str, username: str) -> str | None:
        self._fail()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._fail()
        if not self.is_deaf:
            self.kept[service, username] = password

    def _fail(self) -> None:
        if self.trouble is not None:
            raise self.trouble


@pytest.fixture
def memory() -> Iterator[Memory]:
    """Give the keyring in force."""
    former = keyring.get_keyring()
    made = Memory()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(former)


def test_keyring_gives_the_key_that_was_made_in_it(memory: Memory) -> None:
    """It is kept under service and name, as text."""
    made = KeyringKey("bequest", "wiki").create()

    assert KeyringKey("bequest", "wiki")().reveal() == made.reveal()
    assert memory.kept == {("bequest", "wiki"): made.encode()}


def test_keyring_key_is_never_overwritten(memory: Memory) -> None:
    """Where one is there no other is made."""
    KeyringKey("bequest", "wiki").create()
    before = dict(memory.kept)

    with pytest.raises(KeyFileError, match="found one there; it is left as it is"):
        KeyringKey("bequest", "wiki").create()

    assert memory.kept == before


@pytest.mark.usefixtures("memory")
def test_keyring_key_is_followed_by_another() -> None:
    """The one that is added seals, the former ones open until they are dropped."""
    source = KeyringKey("bequest", "wiki")
    oldest = Key.generate()
    first = source.create(former=[oldest])

    second = source.add()
    left = source.drop(oldest.id)

    assert second.ids == (second.id, first.id, oldest.id)
    assert source().ids == left.ids == (second.id, first.id)


@pytest.mark.usefixtures("memory")
def test_keyring_without_the_key_says_how_to_make_one() -> None:
    """The error names service, name and what to do."""
    with pytest.raises(KeyFileError, match=r"'wiki' at 'bequest' in the keyring, found none; make one with KeyringKey"):
        KeyringKey("bequest", "wiki")()


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (keyring.errors.KeyringLocked("canary"), "found that it is locked; unlock it"),
        (keyring.errors.NoKeyringError("canary"), "found no keyring on this machine; use KeyFile"),
        (keyring.errors.InitError("canary"), "found that it failed with InitError"),
        (keyring.errors.PasswordSetError("canary"), "found that it failed with PasswordSetError"),
    ],
)
def test_keyring_in_trouble_is_named(memory: Memory, trouble: Exception, said: str) -> None:
    """Locked, missing or broken: each is an error of ours, without the words of somebody else."""
    memory.trouble = trouble

    for ask in (KeyringKey("bequest", "wiki"), KeyringKey("bequest", "wiki").create):
        with pytest.raises(KeyFileError, match=said) as caught:
            ask()
        assert "canary" not in str(caught.value)


def test_machine_without_a_keyring_is_said_to_have_none() -> None:
    """What the library itself falls back to where there is no keyring is understood."""
    former = keyring.get_keyring()
    keyring.set_keyring(load_keyring("keyring.backends.fail.Keyring"))

    try:
        with pytest.raises(KeyFileError, match="found no keyring on this machine"):
            KeyringKey("bequest", "wiki")()
    finally:
        keyring.set_keyring(former)


def test_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not installed the extra is told its name."""
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(KeyFileError, match=r"found no library for it; install bequest\[keyring\]"):
        KeyringKey("bequest", "wiki")()


@pytest.mark.parametrize("text", ["", "canary", f"{Key(b'c' * 32).encode()}\ncanary"])
def test_entry_that_is_no_key_is_not_quoted(memory: Memory, text: str) -> None:
    """What is there under that name is not shown, neither in the message nor in the variables of a traceback (I16)."""
    memory.kept["bequest", "wiki"] = text

    with pytest.raises(KeyFileError, match="found another text") as caught:
        KeyringKey("bequest", "wiki")()

    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__) if "/engine/" in frame.f_code.co_filename]
    assert frames
    assert "canary" not in f"{caught.value} {[frame.f_locals for frame in frames]}"


def test_key_that_was_not_kept_seals_nothing(memory: Memory) -> None:
    """What is not read back as it was written is not given out: what it sealed could never be opened."""
    memory.is_deaf = True

    with pytest.raises(KeyFileError, match="found another there afterwards"):
        KeyringKey("bequest", "wiki").create()
