"""Runs one contender once, in a process of its own: ``sample_main.py ORDER``, where the order is JSON.

Without a link it prints what the watch says, so that a contender can be tried, or profiled, by hand:
``python benchmarks/sample_main.py contenders.bequest_jobs:enqueue_one 1000``.
"""

from __future__ import annotations

import importlib
import json
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from stopwatch import Stopwatch


def called(name: str) -> Any:  # what a name refers to is known when it runs
    """Return what ``module:function`` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def run(order: dict[str, Any]) -> None:  # the order is JSON
    """Run the contender that *order* names, and tell the harness."""
    link = socket.socket(fileno=order["link"])
    link.set_inheritable(False)
    watch = Stopwatch(link, shared=Path(order["shared"]), servers=order["servers"], is_quick=order["is_quick"])
    called(order["call"])(watch, Path(order["folder"]), order["count"])
    watch.finish()


def try_out(call: str, count: int) -> None:
    """Run a contender without the harness, in a temporary folder, and print its figures."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, tempfile.TemporaryDirectory(dir="/var/tmp") as shared:
        watch = Stopwatch(None, shared=Path(shared), servers={}, is_quick=True)
        called(call)(watch, Path(folder), count)
        watch.finish()
    print(f"{call}  {watch.count} in {watch.seconds:.3f} s: {watch.count / watch.seconds:,.0f} a second", watch.notes)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        try_out(sys.argv[1], int(sys.argv[2]))
    else:
        run(json.loads(sys.argv[1]))
