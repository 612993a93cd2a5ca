"""Owns the engine of a command: no signal cuts its start or its stop in two, and none is left running by one."""

from __future__ import annotations

from ..actors.system import Engine
from .signals import held_back

_running: set[OrderlyEngine] = set()


class OrderlyEngine(Engine):
    """An engine beside ``stop_in_order``."""

    def start(self) -> None:
        """Start; a signal that comes meanwhile is raised afterwards, and ``stop_left`` stops it."""
        with held_back():
            super().start()
            _running.add(self)

    def stop(self, grace_s: float = 0.0) -> None:
        """Stop; a signal that comes meanwhile is raised afterwards."""
        with held_back():
            super().stop(grace_s)
            _running.discard(self)


def stop_left() -> None:
    """Stop what a signal has left running, which came between a block with an engine and its start or stop."""
    for engine in tuple(_running):
        engine.stop()
