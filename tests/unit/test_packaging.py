"""What the wheel holds, built from a clean copy of the tracked files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("engine", "actors", "console", "testing")
DIST_INFO = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


def tracked_files() -> list[str]:
    """Return what git tracks, or where the checkout came without git all that ``.gitignore`` does not name."""
    if (ROOT / ".git").exists():
        listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return [path for path in listed if path and (ROOT / path).exists()]
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines()]
    found = (file.relative_to(ROOT) for file in ROOT.rglob("*") if file.is_file())
    return [
        path.as_posix()
        for path in found
        if not any(part.match(one) for part in map(Path, path.parts) for one in ignored)
    ]


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """Give the tracked files."""
    return tracked_files()


@pytest.fixture(scope="module")
def source(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with nothing but the tracked files."""
    folder = tmp_path_factory.mktemp("source")
    for path in tracked:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    return folder


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the wheel that is built from them."""
    built = tmp_path_factory.mktemp("built")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(source)]
    subprocess.run(build, check=True)
    (found,) = built.iterdir()
    return found


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """Give what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(opened.read(name).decode())


def test_wheel_holds_the_packages_and_nothing_else(tracked: list[str], wheel: Path) -> None:
    """The wheel holds the face, every module of the packages, the migrations, py.typed and its own description."""
    expected = {
        f"bequest/{path}"
        for path in tracked
        if path in ("__init__.py", "py.typed")
        or (path.split("/")[0] in PACKAGES and path.endswith(".py"))
        or re.fullmatch(r"engine/migrations/\d{4}_\w+\.sql", path)
    }
    info = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"

    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())

    assert held == expected | {f"{info}/{name}" for name in DIST_INFO}
    assert {"bequest/py.typed", "bequest/engine/migrations/0001_initial.sql"} <= held


def test_wheel_files_are_those_of_the_checkout(source: Path, wheel: Path) -> None:
    """What is installed is byte for byte what is in the checkout."""
    with zipfile.ZipFile(wheel) as opened:
        modules = [name for name in opened.namelist() if name.startswith("bequest/")]
        changed = [
            name for name in modules if opened.read(name) != (source / name.removeprefix("bequest/")).read_bytes()
        ]

    assert changed == []


def test_wheel_brings_the_command(wheel: Path) -> None:
    """Installing the wheel installs ``bequest``, and no other command."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("entry_points.txt"))
        entry_points = opened.read(name).decode()

    assert entry_points.split() == ["[console_scripts]", "bequest", "=", "bequest.console.main:main"]


def test_wheel_requires_what_the_house_imports(metadata: Message) -> None:
    """The required libraries have a lower bound each and no upper one; Hypothesis and keyring are extras."""
    requirements = metadata.get_all("Requires-Dist") or []

    required = [one for one in requirements if ";" not in one]

    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", one) for one in required)
    assert [one.partition(">")[0] for one in requirements if "extra == " in one] == [
        "greenlet",
        "hypothesis",
        "keyring",
    ]
    assert metadata.get_all("Provides-Extra") == ["testing", "web", "keyring", "ray"]
    assert metadata["Requires-Python"] == ">=3.11"


def test_wheel_describes_itself_with_the_readme(source: Path, metadata: Message) -> None:
    """The long description is the README, said to be Markdown."""
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (source / "README.md").read_text("utf-8").strip()


def test_tracked_files_are_found_without_git(
    tracked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy of the checkout that came without git the same files are found, whatever else was built there."""
    for path in [*tracked, "build/lib/spare.py", "engine/__pycache__/spare.pyc", "bequest.egg-info/PKG-INFO", "x.db"]:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    shutil.copy(ROOT / ".gitignore", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)

    assert sorted(tracked_files()) == sorted(tracked)
