"""Small real servers on loopback for the integration tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback_site import Answer, Request, Serve, Site


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Give a function that starts a site from a handler; all stop after the test."""
    sites: list[Site] = []

    def start(handler: Callable[[Request], Answer]) -> Site:
        sites.append(Site(handler))
        return sites[-1]

    yield start
    for site in sites:
        site.stop()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Give a port of loopback where nothing listens, and which browsers do not refuse to dial.

    It stays bound meanwhile, so that nobody else can be given it.
    """
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """Give a screen that nobody looks at, as the variable DISPLAY names it.

    Its process ends with the tests of its module: those of others count what they have started.
    """
    reading, writing = os.pipe()
    with subprocess.Popen(
        [shutil.which("Xvfb") or "Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        os.close(writing)
        with os.fdopen(reading) as told:
            number = told.readline().strip()  # once it listens
        yield f":{number}"
        server.terminate()


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Give a folder for temporary files with a path that is short enough for Chromium's socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
