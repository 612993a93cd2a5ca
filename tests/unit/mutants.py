"""The mutants of ``engine/``: small faults, one changed line each, of which the tests must find every one.

They are data in ``tests/mutants/*.toml``. A ``Checkout`` is a copy of the package in which one of them at a time stands
in the place of its line; the tests that are named with it run first, and where they do not find it all others do.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "mutants"
NOT_COPIED = shutil.ignore_patterns(".git", ".tox", ".venv", ".*_cache", "__pycache__", "build", "*.egg-info")
ALL_TESTS = ("tests/unit", "tests/property")
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)
NONE_COLLECTED = 2  # pytest's exit code where a file cannot even be imported
NEWER_S = itertools.count(1)  # for Python keeps what it compiled as long as size and second stay the same


class Mutant(NamedTuple):
    """A fault: *line* of *file*, without its indentation, becomes another one."""

    file: str
    line: str
    becomes: str
    why: str  # it matters
    tests: tuple[str, ...]  # files that are to find it

    @property
    def name(self) -> str:
        """What it is called in a report."""
        return f"{self.file}: {self.why}"


class Kill(NamedTuple):
    """How a mutant was found."""

    test: str
    is_expected: bool  # by one of the tests that are named with it


def read_mutants(files: str = "*.toml") -> list[Mutant]:
    """Return those of some files, in the order of these."""
    tables = [
        table for file in sorted(FOLDER.glob(files)) for table in tomllib.loads(file.read_text("utf-8"))["mutant"]
    ]
    return [Mutant(**{**table, "tests": tuple(table["tests"])}) for table in tables]


def mutated(text: str, mutant: Mutant) -> str:
    """Return *text* with the fault in it; raises ``ValueError`` unless its line is there exactly once."""
    lines = text.split("\n")
    places = [index for index, line in enumerate(lines) if line.strip() == mutant.line]
    if len(places) != 1:
        raise ValueError(f"{mutant.file} has {len(places)} lines {mutant.line!r}")
    (place,) = places
    indent = lines[place][: len(lines[place]) - len(lines[place].lstrip())]
    lines[place] = indent + mutant.becomes
    return "\n".join(lines)


class Checkout:
    """A copy of the package and its tests in *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = folder / "bequest"
        shutil.copytree(ROOT, self._root, ignore=NOT_COPIED)

    def kill(self, mutant: Mutant) -> Kill | None:
        """Return which test finds *mutant*, or None where it survives all."""
        with self._infected(mutant):
            found = self.first_failure(mutant.tests, timeout_s=300)
            is_expected = found is not None
            if found is None:
                found = self.first_failure(ALL_TESTS, timeout_s=3600)
        if found is None:
            return None
        if not is_expected and self.first_failure([found], timeout_s=300) is not None:
            raise AssertionError(f"{found} fails without any mutant")
        return Kill(found, is_expected)

    def first_failure(self, tests: Sequence[str], *, timeout_s: float) -> str | None:
        """Run *tests* up to the first that fails and return its name; what does not end in time has failed too."""
        code, output = self._run(["-x", "-q", "-p", "no:cacheprovider", *tests], timeout_s)
        if code is None:
            return f"no end of {' '.join(tests)} within {timeout_s:g} s"
        if code == 0:
            return None
        failed = FAILED.search(output)
        if code == NONE_COLLECTED or failed is None:
            raise AssertionError(f"no test ran:\n{output[-2000:]}")
        return failed[1]

    @contextmanager
    def _infected(self, mutant: Mutant) -> Generator[None]:
        file = self._root / mutant.file
        healthy = file.read_text("utf-8")
        rewrite(file, mutated(healthy, mutant))
        try:
            yield
        finally:
            rewrite(file, healthy)

    def _run(self, arguments: Sequence[str], timeout_s: float) -> tuple[int | None, str]:
        """Return pytest's exit code, None where it did not end in time, and what it wrote."""
        environment = {**os.environ, "PYTHONPATH": str(self._folder)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments],
            cwd=self._root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output
        return process.returncode, output


def rewrite(file: Path, text: str) -> None:
    """Write a module so that Python compiles it anew."""
    modified = file.stat().st_mtime + next(NEWER_S)
    file.write_text(text, "utf-8")
    os.utime(file, (modified, modified))
