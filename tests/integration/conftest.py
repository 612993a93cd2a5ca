"""Small real servers on loopback for the integration tests."""

from __future__ import annotations

import socket
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
def closed_port() -> int:
    """Give a port of loopback where nothing listens, and which browsers do not refuse to dial."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


@pytest.fixture
def temporary() -> Iterator[Path]:
    """Give a folder for temporary files with a path that is short enough for Chromium's socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
