"""Owns the display of a run while it goes: one live line on a terminal, plain lines where nobody looks."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ..engine.clock import Clock, SystemClock
from ..engine.run_status import RunStatus
from .words import standing

PLAIN_EVERY_S = 2.0  # between two plain lines that differ
PLAIN_AGAIN_S = 30.0  # after which a line is printed again though nothing changed
BAR_WIDTH = 24
BAR_FROM_WIDTH = 72  # of the terminal; on a narrower one the words take the line


class Display(Protocol):
    """Shows where a run stands."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None: ...

    def show(self, status: RunStatus) -> None:
        """Show *status*."""
        ...


def display_for(console: Console, *, is_live: bool) -> Display:
    """Return the display that suits where *console* writes to."""
    return LiveDisplay(console) if is_live else PlainDisplay(console)


class LiveDisplay:
    """One line that changes in place and is gone in the end."""

    def __init__(self, console: Console, clock: Clock | None = None) -> None:
        self._console = console
        self._clock = clock or SystemClock()
        self._begun_at = self._clock.monotonic()
        self._spinner = Spinner("dots" if console.encoding.startswith("utf") else "line")
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
        minutes, seconds = divmod(int(self._clock.monotonic() - self._begun_at), 60)
        line = Table.grid(padding=(0, 1))
        words = Text(f"{minutes}:{seconds:02} {standing(status)}")
        if self._console.width < BAR_FROM_WIDTH:
            line.add_row(self._spinner, words)
        else:
            done = pages.total - pages.unfinished
            line.add_row(self._spinner, ProgressBar(total=max(1, pages.total), completed=done, width=BAR_WIDTH), words)
        self._live.update(line)


class PlainDisplay:
    """A line now and then."""

    def __init__(self, console: Console, clock: Clock | None = None) -> None:
        self._console = console
        self._clock = clock or SystemClock()
        self._shown: str | None = None
        self._shown_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        """Nothing is to be put away."""

    def show(self, status: RunStatus) -> None:
        """Show *status*, unless a line was shown just now or says the same."""
        words = standing(status)
        now = self._clock.monotonic()
        wait_s = PLAIN_AGAIN_S if words == self._shown else PLAIN_EVERY_S
        if self._shown is None or now - self._shown_at >= wait_s:
            self._shown, self._shown_at = words, now
            self._console.print(Text(words))
