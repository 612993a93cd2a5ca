"""Owns one sample: a fresh process for a contender, and what its whole tree used while it measured.

Memory is the proportional set size, where the system tells it, so that pages that processes share count once.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil
from question import RATE, Contender, Sample, Server

HERE = Path(__file__).parent
MEMORY_EVERY_S = 0.2
SAID_OF_ERRORS = 2000
MIB = 1024 * 1024


class Tree:
    """A process and its descendants, and servers with theirs."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]

    def include(self, pid: int) -> None:
        """Count another process."""
        self._roots.append(psutil.Process(pid))

    def cpu_s(self) -> float:
        """Return the seconds of CPU used so far, those of children that have ended and were waited for too."""
        return sum(sum(one.cpu_times()[:4]) for one in self._alive())

    def memory_mb(self) -> float:
        """Return what all of it holds now."""
        return sum(map(held, self._alive())) / MIB

    def _alive(self) -> list[psutil.Process]:
        found: list[psutil.Process] = []
        for root in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [root, *root.children(recursive=True)]
        return [one for one in dict.fromkeys(found) if lives(one)]


def lives(process: psutil.Process) -> bool:
    """Return whether the process has not ended."""
    try:
        process.cpu_times()
    except psutil.NoSuchProcess:
        return False
    return True


def held(process: psutil.Process) -> float:
    """Return the bytes of a process, 0 when it has ended meanwhile."""
    try:
        full = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return float(getattr(full, "pss", 0) or full.rss)


class Peak:
    """Looks at a tree's memory now and then, from begin to end."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._is_over = tree, threading.Event()
        self.highest_mb = tree.memory_mb()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Look a last time."""
        self._is_over.set()
        self._thread.join()
        self.highest_mb = max(self.highest_mb, self._tree.memory_mb())

    def _look(self) -> None:
        while not self._is_over.wait(MEMORY_EVERY_S):
            self.highest_mb = max(self.highest_mb, self._tree.memory_mb())


class Sampler:
    """Takes samples, each in a folder of its own that goes afterwards."""

    def __init__(self, place: Path, shared: Path, *, is_quick: bool) -> None:
        self._place, self._shared, self._is_quick = place, shared, is_quick

    def sample(
        self, contender: Contender, number: int, count: int, servers: Mapping[str, Server], *, timeout_s: float
    ) -> Sample:
        """Return what *contender* did in the round of this number; an error in it is part of the sample."""
        with tempfile.TemporaryDirectory(dir=self._place, ignore_cleanup_errors=True) as folder:
            order = {
                "call": contender.call,
                "folder": folder,
                "shared": str(self._shared),
                "count": count,
                "is_quick": self._is_quick,
                "servers": {name: server.address for name, server in servers.items()},
            }
            with tempfile.TemporaryFile() as errors:
                try:
                    done, figures = followed(order, [one.pid for one in servers.values()], errors, timeout_s)
                except (OSError, ValueError, psutil.Error) as error:
                    print(f"{error}\n{tail(errors)}", file=sys.stderr)
                    return Sample(contender=contender.name, round=number, error=reason(error, tail(errors)))
        return Sample(contender=contender.name, round=number, count=done, figures=figures)


def followed(
    order: dict[str, Any], server_pids: Sequence[int], errors: IO[bytes], timeout_s: float
) -> tuple[int, dict[str, float]]:
    """Run a process for *order* and return how many things it did, and its figures."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = [sys.executable, str(HERE / "sample_main.py"), json.dumps({**order, "link": theirs.fileno()})]
        process = subprocess.Popen(
            command,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
        theirs.close()
        tree = Tree([process.pid, *server_pids])
        try:
            return followed_on(ours, tree, time.perf_counter() + timeout_s)
        finally:
            end(process)


def followed_on(link: socket.socket, tree: Tree, deadline: float) -> tuple[int, dict[str, float]]:
    """Answer what the process says until it is done; raises ``ConnectionError`` when it ends before."""
    lines = link.makefile("rb")
    used = 0.0
    peak: Peak | None = None
    try:
        while True:
            link.settimeout(max(0.001, deadline - time.perf_counter()))
            said = lines.readline()
            if not said:
                raise ConnectionError("the contender ended before it was done")
            fact = json.loads(said)
            match fact["event"]:
                case "begin":
                    peak = Peak(tree)
                    used = tree.cpu_s()
                case "end" if peak is not None:
                    used = tree.cpu_s() - used
                    peak.end()
                case "include":
                    tree.include(fact["pid"])
                case "done" if peak is not None:
                    link.sendall(b"\n")
                    return fact["count"], figures_of(fact, used, peak.highest_mb)
            link.sendall(b"\n")
    finally:
        if peak is not None:
            peak.end()  # or it would look on, at the servers, while others are measured


def figures_of(fact: dict[str, Any], cpu_s: float, peak_mb: float) -> dict[str, float]:
    """Return the figures of a sample, from what its process said and what was seen around it."""
    seconds = fact["seconds"]
    figures = {
        RATE: fact["count"] / seconds,
        "seconds": seconds,
        "each_ms": 1000 * seconds / fact["count"],
        "cpu_s": cpu_s,
        "cpu_percent": 100 * cpu_s / seconds,
        "peak_mb": peak_mb,
    }
    for name, noted in fact["notes"].items():
        if isinstance(noted, list):
            figures |= percentiles(name, noted)
        else:
            figures[name] = noted
    return figures


def percentiles(name: str, values: Sequence[float]) -> dict[str, float]:
    """Return the percentiles of values with a name that ends in their unit: ``p50_ms`` of ``latencies_ms``."""
    unit = name.rpartition("_")[2]
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {f"p50_{unit}": cuts[49], f"p99_{unit}": cuts[98]}


def end(process: subprocess.Popen[bytes]) -> None:
    """Let the process end by itself, and kill its session when it does not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def reason(error: BaseException, said: str) -> str:
    """Return why there are no figures: the last line that the process wrote, or else what the harness met."""
    return said.rpartition("\n")[2] or f"{type(error).__name__}: {error}"


def tail(errors: IO[bytes]) -> str:
    """Return the end of what a process wrote."""
    errors.seek(0)
    return errors.read().decode(errors="replace")[-SAID_OF_ERRORS:].strip()
