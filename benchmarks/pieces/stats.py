"""How long do small calls take? By pyperf: ``python benchmarks/pieces/stats.py``, with its options.

An engine in memory, with ten thousand jobs that nobody works on.
"""

from __future__ import annotations

import pyperf

from bequest import Engine, JobContext


def noop(job: JobContext, number: int) -> None:
    """Do nothing."""


def start_and_stop() -> None:
    """Start an engine and stop it."""
    with Engine(":memory:"):
        pass


def main() -> None:
    """Measure them."""
    runner = pyperf.Runner()
    engine = Engine(":memory:")
    kind = engine.kind("noop")(noop)
    with engine:
        engine.pause()
        jobs = engine.enqueue_many(kind, range(10_000))
        runner.bench_func("engine.stats()", engine.stats)
        runner.bench_func("job.status()", jobs[0].status)
        runner.bench_func("engine.health()", engine.health)
    runner.bench_func("Engine(':memory:'), start and stop", start_and_stop)


if __name__ == "__main__":
    main()
