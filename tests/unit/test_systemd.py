"""Tests of what is told to a service manager, over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bequest.actors.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Give a socket that listens, and how the environment names it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@bequest-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name if request.param == "path" else "\0" + name[1:])
        listening.settimeout(20.0)
        yield listening, name


def test_service_manager_is_told(listener: tuple[socket.socket, str]) -> None:
    """Each word is one datagram, as sd_notify(3) has it."""
    listening, name = listener
    service = ServiceManager({"NOTIFY_SOCKET": name})

    service.ready()
    service.alive()
    service.stopping()

    assert [listening.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


@pytest.mark.parametrize("name", ["", "@", "relative/path", "vsock:2:1234"])
def test_service_manager_without_a_socket_is_told_nothing(name: str) -> None:
    """A program that is no service of systemd goes on, and no watchdog waits for it."""
    service = ServiceManager({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"})

    service.ready()

    assert service.beat_s is None


def test_service_manager_that_is_gone_harms_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A socket that nobody listens on is logged."""
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()

    assert "not told" in caplog.text


@pytest.mark.parametrize(
    ("environment", "beat_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_watchdog_is_due_at_half_of_its_time(environment: dict[str, str], beat_s: float | None) -> None:
    """A sign of life is due at half of the time that systemd waits, and only from the process that it waits for."""
    service = ServiceManager({"NOTIFY_SOCKET": "/run/notify", **environment})

    assert service.beat_s == beat_s
