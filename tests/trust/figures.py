"""The figures of a run of the proof: what was done and how often, what came of it, when and on which machine."""

from __future__ import annotations

import datetime
import os
import platform
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from bequest.engine.database import SQLITE_VERSION

BEGIN = "<!-- figures: written by `tox -e trust -- --keep-figures` -->"
END = "<!-- end of figures -->"
HEADER = (
    "| proof | what was done | what came of it | when and where |",
    "|---|---|---|---|",
)
ROW = re.compile(r"^\| `(?P<test>[\w.]+::\w+)` \|", re.ASCII)


class Figure(NamedTuple):
    """One line of the table."""

    test: str  # file and name of the test that found it
    claim: str  # what was done and how often
    result: str  # what came of it


class Figures:
    """Collects what the tests of a session found."""

    def __init__(self) -> None:
        self.test = ""  # that runs now, as its file and its name
        self.found: list[Figure] = []
        self.failed: set[str] = set()

    def note(self, claim: str, result: str) -> None:
        """Note what was done and how often, and what came of it."""
        self.found.append(Figure(self.test, claim, result))

    def good(self) -> list[Figure]:
        """Return what the tests that passed have found."""
        return [figure for figure in self.found if figure.test not in self.failed]


def machine() -> str:
    """Return the date and what the figures depend on."""
    today = datetime.datetime.now(datetime.UTC).date()
    sqlite = ".".join(map(str, SQLITE_VERSION))
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return (
        f"{today}, {os.cpu_count()} cores, {system}, Python {platform.python_version()}, SQLite {sqlite},"
        f" {file_system(Path(tempfile.gettempdir()))}"
    )


def file_system(folder: Path) -> str:
    """Return the kind of file system that *folder* lies on, where the machine says so."""
    mounts = Path("/proc/mounts")
    found = [line.split()[1:3] for line in mounts.read_text().splitlines()] if mounts.exists() else []
    above = [(len(place), kind) for place, kind in found if folder.resolve().is_relative_to(place)]
    return max(above, default=(0, "unknown file system"))[1]


def rows_of(figures: list[Figure], where: str) -> list[str]:
    """Return the lines of the table."""
    return [f"| `{test}` | {escaped(claim)} | {escaped(result)} | {where} |" for test, claim, result in figures]


def escaped(text: str) -> str:
    """Return *text* as a cell can hold it."""
    return text.replace("|", "\\|").replace("\n", " ")


def merged(page: str, figures: list[Figure], where: str) -> str:
    """Return *page* with the rows of *figures* in its table; those of tests that are not among them stay."""
    before, _, rest = page.partition(BEGIN)
    table, _, after = rest.partition(END)
    ran = {figure.test for figure in figures}
    kept = [line for line in table.splitlines() if (row := ROW.match(line)) and row["test"] not in ran]
    rows = sorted([*kept, *rows_of(figures, where)], key=lambda line: line.split(" | ", 1)[0])
    return "\n".join([before + BEGIN, "", *HEADER, *rows, "", END]) + after
