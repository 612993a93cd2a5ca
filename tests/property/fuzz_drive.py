"""Owns the drives of foreign input: mutated inputs through a target, refused ones against a store, and drawn pumps."""

from __future__ import annotations

from pathlib import Path
from random import Random

from fuzz_findings import FINDINGS
from fuzz_mutations import mutate
from fuzz_targets import TARGETS
from growth import MAX_RATIO, drawn, ratio_of

from bequest import Credential, Engine, Key
from bequest.engine.definition_files import read_definition
from bequest.engine.errors import BequestError

KEPT_ONE_IN = 20  # mutated inputs from which others are made


def feed(name: str, count: int, seed: int) -> None:
    """Feed a target its seeds, its findings and *count* mutations; its ``AssertionError`` says how to repeat it."""
    target = TARGETS[name]
    pool = [*target.seeds, *FINDINGS.get(name, ())]
    for data in pool:
        target.check(data)
    rng = Random(seed)  # noqa: S311 - it must repeat itself
    for number in range(count):
        data = mutate(rng, rng.choice(pool), target.seeds, target.words)
        try:
            target.check(data)
        except Exception as fault:
            raise AssertionError(f"target {name}, seed {seed}, input {number}: {data!r}") from fault
        if number % KEPT_ONE_IN == 0:
            pool.append(data)


def refuse(folder: Path, names: list[str], count: int, seed: int) -> int:
    """Import mutated sessions and definitions into an engine; return how many were refused, each without a trace.

    What is refused leaves every table as it was.
    """
    rng = Random(seed)  # noqa: S311 - it must repeat itself
    refused = 0
    with Engine(folder / "jobs.db", key=lambda: Key(bytes(32)), resume=False) as engine:
        for number in range(count):
            name = rng.choice(names)
            target = TARGETS[name]
            data = mutate(rng, rng.choice(target.seeds), target.seeds, target.words)
            suffix = f".{name.partition('_')[0]}" if name.endswith("_definition") else ".txt"
            path = folder / f"input{suffix}"
            path.write_bytes(data)
            before = contents(engine)
            try:
                import_file(engine, path)
            except BequestError:
                refused += 1
                assert contents(engine) == before, f"seed {seed}, input {number} was refused and left a trace: {data!r}"
    return refused


def import_file(engine: Engine, path: Path) -> None:
    """Store what a file holds, as the command line does."""
    if path.suffix == ".txt":
        engine.credentials.put(Credential.from_file(path, auth_id="wiki"))
    else:
        read_definition(path)


def contents(engine: Engine) -> tuple[object, ...]:
    """Return all that an import could change."""
    return tuple(engine.credentials.list()), tuple(engine.jobs()), tuple(engine.stats())


def pump(name: str, count: int, seed: int) -> float:
    """Draw *count* long inputs of a target; return the worst ratio, or raise an ``AssertionError`` for one too high."""
    rng = Random(seed)  # noqa: S311 - it must repeat itself
    worst = 1.0
    for number in range(count):
        ratio = ratio_of(drawn(rng, TARGETS[name]))
        assert ratio <= MAX_RATIO, f"target {name}, seed {seed}, pump {number}: {ratio:.1f} times the work"
        worst = max(worst, ratio)
    return worst
