"""Tests of where the command line finds its key, and of what it says when it finds none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bequest.console.keys import ConsoleKey, own_folder
from bequest.engine.errors import KeyFileError
from bequest.engine.key_files import KeyFile
from bequest.engine.keys import Key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty home."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def test_variable_is_taken_out_of_the_environment(home: Path) -> None:
    """BEQUEST_KEY is read once and gone before any process can inherit it."""
    key = Key.generate()
    environment = {"BEQUEST_KEY": key.encode(), "HOME": str(home)}

    found = ConsoleKey(environment)

    assert found().id == key.id
    assert environment == {"HOME": str(home)}


def test_named_file_comes_before_the_variable(tmp_path: Path) -> None:
    """BEQUEST_KEY_FILE wins, and BEQUEST_KEY is taken out of the environment all the same."""
    key = KeyFile(tmp_path / "named").create()
    environment = {"BEQUEST_KEY_FILE": str(tmp_path / "named"), "BEQUEST_KEY": Key.generate().encode()}

    found = ConsoleKey(environment)

    assert found().id == key.id
    assert "BEQUEST_KEY" not in environment


def test_named_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    """A file named in vain is an error that names the variable; nothing is made there."""
    found = ConsoleKey({"BEQUEST_KEY_FILE": str(tmp_path / "typo")})

    assert found.make_if_missing() is None
    with pytest.raises(KeyFileError, match=r"found no file; correct BEQUEST_KEY_FILE, or unset it"):
        found()
    assert list(tmp_path.iterdir()) == []


def test_variable_that_holds_no_key_is_not_quoted() -> None:
    """The message names the variable and shows nothing of what it holds."""
    found = ConsoleKey({"BEQUEST_KEY": "not-a-key-but-secret"})

    with pytest.raises(
        KeyFileError, match="BEQUEST_KEY: a key has 32 bytes, found 15; correct it, or unset it"
    ) as raised:
        found()
    assert "secret" not in str(raised.value)


def test_own_key_is_made_once_and_named(home: Path) -> None:
    """The first use makes a file of mode 0600 in a folder of mode 0700 and names it; the second finds it."""
    found = ConsoleKey({})

    notice = found.make_if_missing()

    path = own_folder({}) / "key"
    assert home in path.parents
    assert str(path) in (notice or "")
    assert found().id in (notice or "")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert ConsoleKey({}).make_if_missing() is None
    assert ConsoleKey({})().id == found().id


@pytest.mark.usefixtures("home")
def test_own_key_that_is_missing_is_said_to_be() -> None:
    """Who opens a session without a key is told where one was looked for and how to name another."""
    with pytest.raises(KeyFileError, match="found no file; name the file that holds it in BEQUEST_KEY_FILE"):
        ConsoleKey({})()


@pytest.mark.usefixtures("home")
def test_check_makes_nothing(tmp_path: Path) -> None:
    """Checking that a key could be made leaves no file and no folder."""
    ConsoleKey({}).check(tmp_path / "wiki.db")

    assert list((tmp_path / "home").rglob("*")) == []


def test_key_is_not_made_beside_the_database(home: Path) -> None:
    """A database in the folder of the key is refused while there is no key yet."""
    folder = own_folder({})

    with pytest.raises(KeyFileError, match="found the database in the same folder"):
        ConsoleKey({}).check(folder / "wiki.db")
    assert list(home.rglob("*")) == []


def test_check_refuses_a_place_that_is_no_folder(home: Path) -> None:
    """A file where the settings' folder would be is said before anything is written."""
    (home / "blocked").write_text("")

    with pytest.raises(KeyFileError, match="blocked is no folder to write in"):
        ConsoleKey({"XDG_CONFIG_HOME": str(home / "blocked")}).check(home / "wiki.db")


def test_dangling_link_is_no_missing_key(home: Path) -> None:
    """A link that leads nowhere is not written through: its key has been moved, not never made."""
    folder = own_folder({})
    folder.mkdir(parents=True)
    (folder / "key").symlink_to(home / "gone")

    assert ConsoleKey({}).make_if_missing() is None
    with pytest.raises(KeyFileError):
        ConsoleKey({})()
    assert not os.path.lexists(home / "gone")


def test_relative_settings_folder_is_ignored(home: Path) -> None:
    """A relative XDG_CONFIG_HOME is invalid by its specification; an absolute one is heeded."""
    assert own_folder({"XDG_CONFIG_HOME": "."}) == home / ".config" / "bequest"
    assert own_folder({"XDG_CONFIG_HOME": "/etc/xdg"}) == Path("/etc/xdg/bequest")


def test_key_that_systemd_hands_over_is_used(tmp_path: Path, home: Path) -> None:
    """``bequest-key`` in the folder of credentials comes before the user's own key, and after what is named."""
    key = KeyFile(tmp_path / "credentials" / "bequest-key").create()
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}

    found = ConsoleKey(dict(environment))
    named = ConsoleKey({**environment, "BEQUEST_KEY": Key.generate().encode()})

    assert found().id == key.id
    assert found.where == f"{tmp_path}/credentials/bequest-key (CREDENTIALS_DIRECTORY)"
    assert (found.file, found.is_missing, found.make_if_missing()) == (None, False, None)
    assert named().id != key.id
    assert list(home.rglob("*")) == []


def test_folder_of_credentials_without_a_key_is_passed_over(tmp_path: Path, home: Path) -> None:
    """A service may have other credentials than this one."""
    assert ConsoleKey({"CREDENTIALS_DIRECTORY": str(tmp_path)}).where == str(own_folder({}) / "key")
    assert home.is_dir()
