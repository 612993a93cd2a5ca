"""An example: how a program that embeds the engine measures its own handlers, with pytest-benchmark.

``pytest benchmarks/example_pytest_benchmark.py``
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bequest import Engine, JobContext, JobHandle

JOBS = 200


class Order(msgspec.Struct):
    """What the handler of this example takes."""

    number: int
    positions: list[str]


@pytest.fixture
def engine() -> Iterator[Engine]:
    """Give an engine in memory, with the handler to be measured."""
    with Engine(":memory:") as engine:
        engine.kind("invoice")(invoice)
        yield engine


def invoice(job: JobContext, order: Order) -> int:
    """Stand for work of your own."""
    return sum(len(position) for position in order.positions)


def test_one_job_from_end_to_end(engine: Engine, benchmark: BenchmarkFixture) -> None:
    """Measures a job that somebody waits for."""
    order = Order(number=1, positions=["lamp", "oil"])

    total = benchmark(lambda: engine.enqueue("invoice", order).result(10))

    assert total == 7


def test_many_jobs(engine: Engine, benchmark: BenchmarkFixture) -> None:
    """Measures how soon jobs are run that are made together."""
    orders = [Order(number=number, positions=["lamp", "oil"]) for number in range(JOBS)]

    def run() -> list[JobHandle[int]]:
        jobs = engine.enqueue_many("invoice", orders)
        engine.wait_idle(60)
        return jobs

    jobs: list[JobHandle[int]] = benchmark.pedantic(run, rounds=10)

    assert jobs[-1].result(10) == 7
