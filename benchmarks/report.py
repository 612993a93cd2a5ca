"""Owns what every benchmark prints: one line ``name  n  median  p95  unit`` for each measurement."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence


def rate_of(work: Callable[[], int]) -> float:
    """Run *work*, which returns how many things it did, and return how many it did in a second."""
    began = time.perf_counter()
    count = work()
    return count / (time.perf_counter() - began)


def line(name: str, values: Sequence[float], unit: str) -> None:
    """Print one measurement."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]
    sys.stdout.write(f"{name:44} {len(values):4} {statistics.median(values):12,.2f} {p95:12,.2f}  {unit}\n")
    sys.stdout.flush()
