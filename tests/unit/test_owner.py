"""One owner: who holds the lock keeps others out, and what ends the owner, whatever it is, ends the lock."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bequest.engine import owner
from bequest.engine.errors import BequestError, DatabaseOwnedError, StoreError
from bequest.engine.owner import OwnerLock

US = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the place of the database; the lock asks nothing of the file itself."""
    return tmp_path / "jobs.db"


@pytest.fixture
def file(path: Path) -> Path:
    """Give the place of the lock file."""
    return Path(f"{path}.lock")


@pytest.fixture
def lock(path: Path) -> Iterator[OwnerLock]:
    """Give a lock that is held."""
    held = OwnerLock(path)
    held.acquire()
    yield held
    held.release()


def acquired(path: Path) -> str:
    """Return what comes of taking the lock and giving it up: nothing, or an error's text."""
    lock = OwnerLock(path)
    try:
        lock.acquire()
    except BequestError as error:
        return str(error)
    lock.release()
    return ""


@contextmanager
def child(action: Callable[[], object]) -> Iterator[tuple[str, int]]:
    """Fork a child that does *action* and then lives on; give what it said, and its process id."""
    read_end, write_end = os.pipe()
    wait_end, end_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end_end)
        os.write(write_end, str(action()).encode())
        os.read(wait_end, 1)  # until the parent closes its end
        os._exit(0)
    os.close(wait_end)
    try:
        yield os.read(read_end, 1000).decode(), pid
    finally:
        for end in (read_end, write_end, end_end):
            os.close(end)
        os.waitpid(pid, 0)


def test_owner_keeps_out_a_second_one_in_its_process(lock: OwnerLock, path: Path) -> None:
    """Two engines in one process do not share a file, and the second is told who holds it."""
    with pytest.raises(DatabaseOwnedError) as caught:
        OwnerLock(path).acquire()

    assert str(caught.value) == (f"asked to open {path}, found it owned by {US}; stop that engine or name another file")


def test_owner_keeps_out_another_process(lock: OwnerLock, path: Path) -> None:
    """A lock of this process is one for all others too, and they are told its process and host."""
    with child(lambda: acquired(path)) as (said, _):
        assert f"owned by {US}" in said


def test_owner_keeps_out_this_process(path: Path) -> None:
    """A lock of another process is one for us, and we are told that process."""
    lock = OwnerLock(path)

    with child(lock.acquire) as (_, pid):
        assert f"owned by process {pid} on {socket.gethostname()}" in acquired(path)


def test_lock_ends_with_its_owner(path: Path) -> None:
    """An owner that is killed leaves a file and no lock: the next one takes it at once."""
    lock = OwnerLock(path)

    with child(lock.acquire) as (said, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

        assert said == "None"
        assert acquired(path) == ""


@pytest.fixture
def left(path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Have a process that is dead named as the holder of a lock that somebody holds still; give a list of the looks."""
    with child(os.getpid) as (pid, _):
        pass
    file.write_text(f"process {pid} on {socket.gethostname()}\n")
    looks: list[str] = []
    monkeypatch.setattr(owner, "LOOKS", 3)
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        def look(*_: object) -> None:
            looks.append(file.read_text())
            if len(looks) == 2 and path.exists():  # the sign that it is to end
                fcntl.flock(held, fcntl.LOCK_UN)

        monkeypatch.setattr("bequest.engine.owner.select.select", look)
        yield looks


def test_lock_that_a_dead_owner_has_left_for_an_instant_is_waited_for(path: Path, left: list[str]) -> None:
    """Whom the owner had just forked when it was killed has not closed the file yet, and is about to."""
    path.touch()

    assert acquired(path) == ""
    assert len(left) == 2


def test_lock_that_outlives_its_owner_is_not_waited_for_without_end(path: Path, left: list[str]) -> None:
    """Who holds the lock for good keeps others out, whoever has made it."""
    assert "owned by process" in acquired(path)
    assert len(left) == 3


@pytest.mark.parametrize("holder", ["process 1 on elsewhere.example", "process x on here", f"process 1 on {US[-1]}"])
def test_holder_on_another_machine_is_not_taken_for_dead(holder: str) -> None:
    """Of a process of another machine nobody here knows whether it lives."""
    assert not owner.has_ended(holder)


def test_forked_child_holds_no_lock(lock: OwnerLock, path: Path) -> None:
    """A child has closed what it inherited, so that it does not hold the lock after its parent has given it up."""
    with child(os.getpid):
        lock.release()

        assert acquired(path) == ""


def test_forked_child_that_ends_leaves_its_parent_the_lock(lock: OwnerLock, path: Path) -> None:
    """What a child gives up at its end, or itself, is not its parent's."""
    with child(lock.release):
        pass

    assert f"owned by {US}" in acquired(path)


def test_released_lock_can_be_taken_again(lock: OwnerLock, path: Path, file: Path) -> None:
    """Giving up frees the file and leaves it where it is; giving up twice is giving up once."""
    lock.release()
    lock.release()

    assert acquired(path) == ""
    assert file.exists()


def test_lock_file_is_its_owners_alone(lock: OwnerLock, file: Path) -> None:
    """Nobody else can take a lock that they cannot open, nor read who holds it."""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{US}\n"


def test_lock_file_names_the_newest_holder_alone(path: Path, file: Path) -> None:
    """What a former holder wrote is gone, however long it was."""
    file.write_text("process 1 on a-host-with-a-long-name\n" * 9)
    lock = OwnerLock(path)

    lock.acquire()

    assert file.read_text() == f"{US}\n"
    lock.release()


@pytest.mark.parametrize(("content", "holder"), [(b"", "an unknown process"), (b"\xff\xfe host", "�� host")])
def test_holder_that_does_not_say_who_it_is_keeps_others_out(
    path: Path, file: Path, content: bytes, holder: str
) -> None:
    """Also a holder that has written nothing, or no text, is one."""
    file.write_bytes(content)

    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        assert f"owned by {holder}; stop" in acquired(path)


def test_lock_is_not_taken_through_a_link(path: Path, file: Path) -> None:
    """A symbolic link in the place of the lock file is refused, and what it leads to is not written."""
    victim = path.with_name("victim")
    victim.write_text("untouched")
    file.symlink_to(victim)

    with pytest.raises(StoreError, match="Too many levels of symbolic links; name a file in a folder"):
        OwnerLock(path).acquire()

    assert victim.read_text() == "untouched"


@pytest.mark.parametrize(("place", "found"), [("no/jobs.db", "No such file or directory"), ("dir", "Is a directory")])
def test_lock_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path, place: str, found: str) -> None:
    """Where no lock file can be made the error says so and what to do."""
    (tmp_path / "dir.lock").mkdir()

    with pytest.raises(StoreError, match=f"found {found}; name a file in a folder that you can write to"):
        OwnerLock(tmp_path / place).acquire()


def test_lock_on_a_full_disk_is_an_error_and_no_lock(path: Path) -> None:
    """A holder that cannot write who it is holds nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    try:
        with pytest.raises(StoreError, match="found File too large; name a file in a folder that you can write to"):
            OwnerLock(path).acquire()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert acquired(path) == ""


class Sabotaged(OwnerLock):
    """A lock whose file somebody takes away, so often, between its opening and its locking."""

    def __init__(self, path: Path, times: int) -> None:
        super().__init__(path)
        self._times = times

    def _open(self) -> int:
        descriptor = super()._open()
        if self._times:
            self._times -= 1
            self._file.unlink()
            if self._times % 2:  # with another one in its place, or with none
                self._file.touch()
        return descriptor


@pytest.mark.parametrize("times", [1, 2, 4])
def test_lock_on_a_file_that_was_replaced_is_taken_again(path: Path, times: int) -> None:
    """A lock on a file that nobody finds under its name keeps nobody out; it is taken on the one that is there."""
    lock = Sabotaged(path, times)

    lock.acquire()

    assert f"owned by {US}" in acquired(path)
    lock.release()


def test_lock_file_that_is_replaced_for_ever_is_an_error(path: Path) -> None:
    """Somebody who takes the file away again and again is told to leave it."""
    with pytest.raises(StoreError, match="found it replaced again and again; leave it where it is"):
        Sabotaged(path, 99).acquire()
