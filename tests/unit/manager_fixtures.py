"""What the tests of the manager share: one on its thread, and a worker; a module names this one as a plugin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from actor_rig import Hand, ManagerRig

from bequest.engine.store import Store


@pytest.fixture
def rig(store: Store) -> Iterator[ManagerRig]:
    """Give the manager of the store."""
    with ManagerRig(store) as started:
        yield started


@pytest.fixture
def hand() -> Iterator[Hand]:
    """Give a worker."""
    made = Hand()
    yield made
    made.stop()
