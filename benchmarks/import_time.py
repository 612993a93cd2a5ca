"""How long does ``import bequest`` take, and how long a start and stop without a browser?

Supports the README's claim that it is light to embed. Measured in fresh interpreters, beside one that imports nothing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import line

from bequest import Engine

ROUNDS = 15


def started(code: str) -> float:
    """Return the milliseconds that a fresh interpreter takes for *code*."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - began) * 1000


def cycle(path: Path) -> float:
    """Return the milliseconds from the start of an engine to the end of its stop."""
    began = time.perf_counter()
    with Engine(path):
        pass
    return (time.perf_counter() - began) * 1000


def main() -> None:
    """Print all measurements."""
    line("python -c pass", [started("pass") for _ in range(ROUNDS)], "ms")
    line("python -c 'import bequest'", [started("import bequest") for _ in range(ROUNDS)], "ms")
    with tempfile.TemporaryDirectory() as folder:
        line("engine start and stop, a file", [cycle(Path(folder) / "jobs.db") for _ in range(ROUNDS)], "ms")


if __name__ == "__main__":
    main()
