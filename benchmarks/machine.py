"""Owns what is written down about the machine and the versions of what is measured."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import apsw
import psutil
from question import Machine

CPU_FACTS = Path("/proc/cpuinfo")


def machine_of(folder: Path, packages: Iterable[str]) -> Machine:
    """Return what this machine is, with the disk that *folder* is on."""
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor(),
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 1e9),
        disk=disk_of(folder),
        python=f"{platform.python_implementation()} {platform.python_version()}",
        sqlite=apsw.sqlite_lib_version(),
        versions={name: version_of(name) for name in sorted(set(packages))},
    )


def processor() -> str:
    """Return the processor's name."""
    if sys.platform == "linux" and CPU_FACTS.exists():
        for line in CPU_FACTS.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def disk_of(folder: Path) -> str:
    """Return the type of the file system that holds *folder*."""
    place = folder.resolve()
    mounts = [one for one in psutil.disk_partitions(all=True) if place.is_relative_to(one.mountpoint)]
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype if mounts else "unknown"


def version_of(name: str) -> str:
    """Return the version of a distribution."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
