"""Owns the display of a run while it goes: one live line on a terminal, plain lines where nobody looks."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table

from ..engine.run_status import RunStatus

PLAIN_EVERY_S = 2.0  # between two plain lines


class Display(Protocol):
    """Shows where a run stands."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None: ...

    def show(self, status: RunStatus) -> None:
        """Show *status*."""
        ...


def display_for(console: Console) -> Display:
    """Return the display that suits where *console* writes to."""
    return LiveDisplay(console) if console.is_terminal and not console.is_dumb_terminal else PlainDisplay(console)


class LiveDisplay:
    """One line that changes in place and is gone in the end."""

    def __init__(self, console: Console) -> None:
        self._spinner = Spinner("dots")
        self._live = Live(console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, status: RunStatus) -> None:
        """Show *status*."""
        pages = status.pages
        line = Table.grid(padding=(0, 1))
        line.add_row(
            self._spinner,
            ProgressBar(total=max(1, pages.total), completed=pages.total - pages.unfinished, width=24),
            words(status),
        )
        self._live.update(line)


class PlainDisplay:
    """A line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown_at = -PLAIN_EVERY_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Nothing is to be put away."""

    def show(self, status: RunStatus) -> None:
        """Show *status*, unless a line was shown just now."""
        now = time.monotonic()  # noqa: TID251 - for people's eyes only
        if now - self._shown_at >= PLAIN_EVERY_S:
            self._shown_at = now
            self._console.print(words(status))


def words(status: RunStatus) -> str:
    """Return *status* in a few words."""
    pages = status.pages
    parts = [f"{pages.completed} of {pages.total} pages"]
    for name, count in (
        ("running", pages.running),
        ("pending", pages.pending),
        ("waiting for a credential", pages.waiting),
        ("failed", pages.failed),
        ("cancelled", pages.cancelled),
    ):
        if count:
            parts.append(f"{count} {name}")
    return ", ".join(parts)
