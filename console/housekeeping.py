"""Owns ``bequest backup``, ``prune`` and ``integrity``: the care of a database, as far as can be beside its owner.

A backup and an examination read beside a running engine; pruning writes, so it needs the database to itself. An engine
that runs on and on prunes by itself when it is given a retention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import msgspec

from ..engine.backup_file import BackupProgress, back_up_beside
from ..engine.clock import SystemClock
from ..engine.database import database_at
from ..engine.database_file import open_reader
from ..engine.prune_queries import Prunable
from ..engine.queries import Queries
from ..engine.retention import FOREVER_S, Keep, Retention
from .options import FileName, database_option, json_option
from .orderly_engine import OrderlyEngine
from .terminal import Exit, Terminal, pass_terminal

UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
MEGABYTE = 1_000_000
PAGE_BYTES = 4096
SAID_EVERY = 0.1  # of a backup


class Age(click.ParamType[float]):
    """How long something is kept: a number with a unit, such as 7d or 12h."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", value.strip().lower())
        if found is None:
            self.fail(f"{value!r} is no age; write a number and one of s, m, h, d, w, such as 7d or 12h", param, ctx)
        return float(found[1]) * UNITS[found[2]]


@click.command()
@click.argument("file", metavar="FILE", type=FileName())
@database_option
@pass_terminal
def backup(terminal: Terminal, file: Path, database: Path) -> int:
    """Copy the database to FILE, also while an engine uses it.

    FILE appears when it is complete and durable, readable by you only; an older backup there is replaced.
    """
    said = 0.0

    def say(progress: BackupProgress) -> None:
        nonlocal said
        share = progress.done / progress.total
        if progress.total * PAGE_BYTES > 100 * MEGABYTE and share >= said + SAID_EVERY and not progress.is_complete:
            said = share
            terminal.say(f"{share:.0%} of {megabytes(progress.total)}")

    done = back_up_beside(database_at(database), file, clock=SystemClock(), on_progress=say)
    terminal.print(f"backed {database} up to {file}: {megabytes(done.total)}")
    return Exit.DONE


@click.command(short_help="Delete what ended long ago, with all that belongs to it.")
@click.option("--completed", type=Age(), metavar="AGE", help="Delete what completed that long ago, such as 7d or 12h.")
@click.option("--failed", type=Age(), metavar="AGE", help="The same for what failed.")
@click.option("--cancelled", type=Age(), metavar="AGE", help="The same for what was cancelled.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only jobs of that kind; may be repeated.")
@click.option(
    "--archive",
    metavar="FILE.jsonl",
    type=FileName(),
    help="Write what is deleted to the end of that file first, one JSON object a line.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@database_option
@json_option
@pass_terminal
def prune(  # noqa: PLR0913 - one for each option
    terminal: Terminal,
    completed: float | None,
    failed: float | None,
    cancelled: float | None,
    kinds: tuple[str, ...],
    archive: Path | None,
    dry_run: bool,
    database: Path,
    as_json: bool,
) -> int:
    """Delete runs and jobs that ended long ago, with all that belongs to them.

    A run goes whole, by the state and end of its parent. An engine that uses the database must be stopped, or prune by
    itself; --dry-run reads beside it.
    """
    if completed is None and failed is None and cancelled is None:
        raise click.UsageError("say what to delete: --completed, --failed or --cancelled with an age, such as 7d")
    keep = Keep(completed_s=completed, failed_s=failed, cancelled_s=cancelled)
    retention = retention_of(keep, kinds, archive)
    found = prunable(database, retention)
    if dry_run:
        show_prunable(terminal, found, as_json=as_json)
        return Exit.DONE
    with OrderlyEngine(database, resume=False) as engine:
        pruned = engine.prune(retention)
    if as_json:
        terminal.json({"pruned": pruned})
    else:
        terminal.print(f"pruned {pruned} jobs" + (f", archived in {archive}" if archive is not None else ""))
    return Exit.DONE


@click.command(short_help="Examine the database, also while an engine uses it.")
@click.option("--quick", is_flag=True, help="Leave out what takes longest: indexes and JSON.")
@database_option
@json_option
@pass_terminal
def integrity(terminal: Terminal, quick: bool, database: Path, as_json: bool) -> int:
    """Examine the database, also while an engine uses it: the file, and what must hold of its rows.

    Exits with 1 when something is found.
    """
    with closing(open_reader(database_at(database), clock=SystemClock())) as reader:
        found = Queries(reader).integrity(is_quick=quick)
    for finding in found:
        if as_json:
            terminal.json(msgspec.to_builtins(finding))
        else:
            terminal.print(f"{finding.check}: {finding.message}")
    if not found:
        terminal.say(f"{database}: no fault found")
        return Exit.DONE
    count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    terminal.say(f"{database}: {count}; stop what uses it, keep a copy, and restore a backup")
    return Exit.FAILED


def retention_of(keep: Keep, kinds: Iterable[str], archive: Path | None) -> Retention:
    """Return the retention of what was typed: for all kinds, or only for those that are named."""
    place = None if archive is None else str(archive)
    named = dict.fromkeys(kinds, keep)
    if named:
        return Retention(kinds=named, archive=place)
    completed, failed, cancelled = (
        FOREVER_S if seconds is None else seconds for seconds in (keep.completed_s, keep.failed_s, keep.cancelled_s)
    )
    return Retention(completed_s=completed, failed_s=failed, cancelled_s=cancelled, archive=place)


def prunable(database: Path, retention: Retention) -> list[Prunable]:
    """Return what *retention* is over for in an existing database, read beside its owner."""
    clock = SystemClock()
    with closing(open_reader(database_at(database), clock=clock)) as reader:
        return Queries(reader).prunes.prunable(retention, clock.now())


def show_prunable(terminal: Terminal, found: list[Prunable], *, as_json: bool) -> None:
    """Print what would be deleted."""
    for one in found:
        if as_json:
            terminal.json(msgspec.to_builtins(one))
        else:
            below = f", {one.jobs} jobs with all below them" if one.jobs > one.runs else ""
            terminal.print(f"{one.kind} {one.state}: {one.runs}{below}")
    if not found:
        terminal.say("nothing would be pruned")


def megabytes(pages: int) -> str:
    """Return the size of so many pages for people."""
    return f"{pages * PAGE_BYTES / MEGABYTE:.1f} MB"
