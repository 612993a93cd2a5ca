"""A crawl is killed sixty times with SIGKILL, and loses and doubles nothing (I1, I15, I19)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from nursery import Nursery, nursery_of

from bequest.engine.clock import SystemClock
from bequest.engine.database_file import open_reader
from bequest.engine.queries import Queries
from bequest.engine.records import Job, State, StoredDocument
from bequest.testing.invariants import assert_invariants

CHILD = Path(__file__).with_name("crawl_child.py")
KILLS = 60
PAGES = 400  # more than the kills let through, so that each comes in mid-crawl
MOST_AT_ONCE = 6


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """Give what forks the crawl."""
    with nursery_of(CHILD) as nursery:
        yield nursery


def crawl_and_kill(nursery: Nursery, database: Path, chance: random.Random) -> int:
    """Let some pages through, kill the crawl somewhere among them, and return how many it had acknowledged."""
    child = nursery.start(database, PAGES)
    allowed = chance.randint(1, MOST_AT_ONCE)
    acknowledged = int(child.stdout.readline().split()[1])  # while no page is let through yet
    child.stdin.write(b"." * allowed)
    wanted = acknowledged + chance.randint(0, allowed)
    while acknowledged < wanted:
        acknowledged = int(child.stdout.readline().split()[1])
    child.kill()
    rest = child.stdout.read().splitlines()  # what it had still said before it died
    acknowledged = max([acknowledged, *(int(line.split()[1]) for line in rest if line.startswith(b"completed "))])
    child.wait()
    return acknowledged


def read(database: Path) -> tuple[Job, list[Job], list[StoredDocument]]:
    """Return the parent, its pages and its documents as they are on disk."""
    reader = open_reader(str(database), clock=SystemClock())
    queries = Queries(reader)
    parent = queries.jobs(limit=10)[0].job
    pages = [view.job for view in queries.jobs(parent_id=parent.id, limit=10_000)]
    documents = queries.documents(parent.id, limit=10_000)
    reader.close()
    return parent, pages, documents


def test_crawl_survives_sixty_kills(tmp_path: Path, nursery: Nursery) -> None:
    """Nothing acknowledged is missing after any kill, no page is doubled, and the run ends with all pages (I14)."""
    database = tmp_path / "crawl.db"
    chance = random.Random(20_261_124)  # noqa: S311
    seen: set[str] = set()
    killed_in_mid_crawl = 0

    for _ in range(KILLS):
        acknowledged = crawl_and_kill(nursery, database, chance)
        assert_invariants(database)
        parent, pages, documents = read(database)
        completed = [page for page in pages if page.state is State.COMPLETED]
        keys = {document.url_key for document in documents}
        assert len(completed) >= acknowledged
        assert len(documents) == len(completed) == len(keys)
        assert seen <= keys
        assert parent.metadata["team"] == "harbour" or not pages
        assert all(page.metadata["team"] == "harbour" for page in pages)
        killed_in_mid_crawl += parent.state is State.WAITING
        seen = keys

    said = nursery.start(database, PAGES).communicate(b"." * 10_000)
    assert_invariants(database)
    parent, pages, documents = read(database)
    assert killed_in_mid_crawl == KILLS
    assert said.splitlines()[-1] == b"ended completed"
    assert parent.state is State.COMPLETED
    assert len(pages) == len(documents) == len({document.url for document in documents}) == PAGES
    assert {page.state for page in pages} == {State.COMPLETED}
