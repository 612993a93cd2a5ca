"""A program that fuzzes one target under atheris, guided by which branches of the engine an input reaches.

    fuzz_program.py TARGET FOLDER [libFuzzer's options, such as -runs=200000 -seed=1]

FOLDER keeps the inputs that reached something new; one that a fault comes of is written there too, and the program
then ends with another code than 0. Half of the inputs are made by the mutations of the quick form, which know JSON.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]  # the trust environment alone has it

sys.path.insert(0, str(Path(__file__).parents[1] / "property"))
with atheris.instrument_imports(include=["bequest.engine", "tomllib", "w3lib"]):
    from fuzz_mutations import mutate
    from fuzz_targets import TARGETS


def main(name: str, folder: Path, options: list[str]) -> None:
    """Fuzz until the runs are over."""
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number}").write_bytes(seed)

    def mutated(data: bytes, max_size: int, seed: int) -> bytes:
        rng = Random(seed)  # noqa: S311 - it must repeat itself
        if rng.random() < 0.5:
            return mutate(rng, data, target.seeds, target.words)[:max_size]
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    arguments = [sys.argv[0], *options, "-max_len=4096", f"-artifact_prefix={folder}/", str(folder)]
    atheris.Setup(arguments, target.check, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
