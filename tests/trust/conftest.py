"""What the full forms share: the figures of the session, printed in the end and kept in docs/trust.md when asked to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from figures import Figures, machine, merged, rows_of

PAGE = Path(__file__).parents[2] / "docs" / "trust.md"
FIGURES = pytest.StashKey[Figures]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-figures", action="store_true", help="write the figures of this run into docs/trust.md")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


@pytest.fixture(scope="session", name="figures")
def collector(pytestconfig: pytest.Config) -> Figures:
    """Give what collects the figures of this session."""
    return pytestconfig.stash[FIGURES]


@pytest.fixture(autouse=True)
def attributed(figures: Figures, request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the figures of a test named for it, and those of one that fails kept out of the table."""
    name = request.node.originalname
    figures.test = f"{request.node.path.name}::{name}"
    failures = request.session.testsfailed
    yield
    if request.session.testsfailed > failures:
        figures.failed.add(figures.test)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES].good()
    if not figures:
        return
    where = machine()
    terminalreporter.section("figures")
    for row in rows_of(figures, where):
        terminalreporter.write_line(row)
    if config.getoption("--keep-figures"):
        PAGE.write_text(merged(PAGE.read_text("utf-8"), figures, where), "utf-8")
