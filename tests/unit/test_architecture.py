"""The shape of the house, read from the imports of every module with ``ast``; and each rule, broken once in a copy."""

from __future__ import annotations

import ast
import configparser
import graphlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

# Which packages a package may import; the root is the face that users import from.
ARROWS = {
    "": {"actors", "engine"},
    "console": {"console", "actors", "engine", "testing"},
    "testing": {"testing", "actors", "engine"},
    "actors": {"actors", "engine"},
    "engine": {"engine"},
}
PACKAGES = tuple(name for name in ARROWS if name)
CONSOLE_MAY_USE = "testing/login_site*.py"  # for the demo

# Where a library may be imported: patterns of paths; msgspec is everywhere at home.
HOMES = {
    "apsw": "engine/database*.py testing/disk_vfs.py",
    "click": "console/*.py",
    "cronsim": "engine/fire_times.py",
    "cryptography": "engine/vault.py engine/totp.py",
    "greenlet": "testing/strands.py",
    "html_to_markdown": "engine/extract.py",
    "hypothesis": "testing/*.py",
    "keyring": "engine/keyring_key.py",
    "msgspec": "*.py",
    "playwright": "actors/browser*.py",
    "pytest": "testing/pytest_plugin.py",
    "publicsuffixlist": "engine/hosts.py",
    "pykka": "actors/*.py testing/strand_threads.py",
    "rich": "console/*.py",
    "selectolax": "engine/extract.py",
    "w3lib": "engine/urls.py",
}
NOT_IN_THE_ENGINE = {"asyncio", "concurrent", "multiprocessing", "subprocess", "threading"}

# The manager holds the store; system opens it and hands it over; the messages to the manager carry their verb to it.
OPENS_THE_STORE = "actors/system.py"
KNOWS_THE_STORE = {
    OPENS_THE_STORE,
    "actors/control_messages.py",
    "actors/credential_messages.py",
    "actors/flow_messages.py",
    "actors/housekeeping_messages.py",
    "actors/manager.py",
    "actors/messages.py",
    "actors/query_messages.py",
    "actors/rotation_messages.py",
    "actors/schedule_messages.py",
    "actors/standing_messages.py",
}
WRITES = {"Database", "open_database", "migrate", "create", "OwnerLock"}  # and every class of a *_store.py

VAGUE_NAMES = {"base.py", "common.py", "helpers.py", "types.py", "utils.py"}
MAX_LINES = 400
MAX_STORE_LINES = 600
MAX_FUNCTION_LINES = 40


class Import(NamedTuple):
    """One imported module: of the house by its path, or a library by its name."""

    target: str
    names: tuple[str, ...]
    line: int

    @property
    def package(self) -> str | None:
        """The package of the house that it is of, "" for the root, None for a library."""
        return self.target.rpartition("/")[0] if self.target.endswith(".py") else None


class Module(NamedTuple):
    """One file of the house."""

    path: str  # from the root, with slashes
    tree: ast.Module
    lines: int
    imports: tuple[Import, ...]  # wherever they stand, also for types alone

    @property
    def package(self) -> str:
        """Its folder, "" for the root."""
        return self.path.rpartition("/")[0]


Rule = Callable[[list[Module]], Iterator[str]]


@cache
def read_house(root: Path) -> list[Module]:
    """Return every module of the packages, and what lies in the root."""
    files = sorted([*root.glob("*.py"), *(file for name in PACKAGES for file in (root / name).rglob("*.py"))])
    paths = {file.relative_to(root).as_posix() for file in files}
    return [read_module(file, file.relative_to(root).as_posix(), paths) for file in files]


def read_module(file: Path, path: str, paths: set[str]) -> Module:
    """Return one module; *paths* are those of the whole house."""
    text = file.read_text("utf-8")
    tree = ast.parse(text)
    return Module(path, tree, len(text.splitlines()), tuple(imports_of(tree, path, paths)))


def imports_of(tree: ast.Module, path: str, paths: set[str]) -> Iterator[Import]:
    """Yield what a module imports anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name.partition(".")[0], (), node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = tuple(alias.name for alias in node.names)
            yield Import((node.module or "").partition(".")[0], names, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            folder = path.split("/")[: -node.level]
            where = [*folder, *(node.module or "").split(".")] if node.module else folder
            for alias in node.names:
                inner = "/".join([*where, f"{alias.name}.py"])
                module = f"{'/'.join(where)}.py"
                face = "/".join([*where, "__init__.py"])
                found = next((one for one in (inner, module, face) if one in paths), module)
                yield Import(found, (alias.name,), node.lineno)


def arrows_never_turn(house: list[Module]) -> Iterator[str]:
    """console, testing -> actors -> engine."""
    for module in house:
        for one in module.imports:
            if one.package is not None and one.package not in ARROWS[module.package]:
                yield f"{module.path}:{one.line} imports {one.target}"


def console_uses_the_login_site_alone(house: list[Module]) -> Iterator[str]:
    """Of testing the console imports nothing but the site that its demo crawls."""
    for module in house:
        for one in module.imports:
            if module.package == "console" and one.package == "testing" and not fnmatch(one.target, CONSOLE_MAY_USE):
                yield f"{module.path}:{one.line} imports {one.target}"


def no_module_imports_itself_in_a_circle(house: list[Module]) -> Iterator[str]:
    """No cycle, also not inside a function or for types alone."""
    graph = {module.path: {one.target for one in module.imports if one.package is not None} for module in house}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield " -> ".join(reversed(error.args[1]))


def imports_inside_are_relative(house: list[Module]) -> Iterator[str]:
    """Inside, nothing is imported by the name of the distribution, nor through the face that users import from."""
    for module in house:
        for one in module.imports:
            if one.target == "bequest" or one.target in PACKAGES:
                yield f"{module.path}:{one.line} imports {one.target} absolutely"
            elif one.target.endswith("__init__.py"):
                yield f"{module.path}:{one.line} imports {', '.join(one.names)} through {one.target}"


def libraries_stay_at_home(house: list[Module]) -> Iterator[str]:
    """Each library is imported in the one place that is its home, and none is that has no home."""
    for module in house:
        for one in module.imports:
            is_library = one.package is None and one.target != "bequest" and one.target not in PACKAGES
            if is_library and one.target not in sys.stdlib_module_names:
                if not any(fnmatch(module.path, home) for home in HOMES.get(one.target, "").split()):
                    yield f"{module.path}:{one.line} imports {one.target}"
            elif module.package == "engine" and one.target in NOT_IN_THE_ENGINE:
                yield f"{module.path}:{one.line} imports {one.target}"


def store_is_the_managers(house: list[Module]) -> Iterator[str]:
    """Only the manager and what it is given know the store, and of those only system does more than name its type."""
    for module in house:
        for one in module.imports:
            is_known = one.target == "engine/store.py" and one.package != module.package
            if is_known and module.path not in KNOWS_THE_STORE:
                yield f"{module.path}:{one.line} imports {one.target}"
        if module.path in KNOWS_THE_STORE - {OPENS_THE_STORE}:
            annotations = {id(name) for node in ast.walk(module.tree) for name in annotated_names(node)}
            for node in ast.walk(module.tree):
                if isinstance(node, ast.Name) and node.id == "Store" and id(node) not in annotations:
                    yield f"{module.path}:{node.lineno} uses Store as more than a type"


def annotated_names(node: ast.AST) -> Iterator[ast.AST]:
    """Yield every node in the annotations of a function's arguments and result, and of a variable."""
    for field in ("annotation", "returns"):
        annotation = getattr(node, field, None)
        if annotation is not None:
            yield from ast.walk(annotation)


def nobody_outside_writes(house: list[Module]) -> Iterator[str]:
    """Outside the engine nothing that writes to the database is imported but the store."""
    for module in house:
        for one in module.imports:
            is_outside = one.package == "engine" and module.package != "engine"
            if is_outside and (one.target.endswith("_store.py") or WRITES & set(one.names)):
                yield f"{module.path}:{one.line} imports {', '.join(one.names)} of {one.target}"


def root_holds_the_face_alone(house: list[Module]) -> Iterator[str]:
    """The only module in the root is the public face."""
    yield from (module.path for module in house if not module.package and module.path != "__init__.py")


def names_say_something(house: list[Module]) -> Iterator[str]:
    """No file is named for nothing in particular."""
    yield from (module.path for module in house if module.path.rpartition("/")[2] in VAGUE_NAMES)


def files_and_functions_are_short(house: list[Module]) -> Iterator[str]:
    """A file has one concept and a function one thought."""
    for module in house:
        if module.lines > (MAX_STORE_LINES if module.path == "engine/store.py" else MAX_LINES):
            yield f"{module.path} has {module.lines} lines"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or 0) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    yield f"{module.path}:{node.lineno} {node.name} has {length} lines"


def modules_say_what_they_own(house: list[Module]) -> Iterator[str]:
    """A module's first words say what it owns; those of a package what is in it."""
    for module in house:
        docstring = ast.get_docstring(module.tree) or ""
        if not docstring.startswith("Owns ") and (not docstring or not module.path.endswith("__init__.py")):
            yield module.path


def actors_have_a_file_each(house: list[Module]) -> Iterator[str]:
    """``child_crawler.py`` holds ``ChildCrawlerActor`` and no other actor."""
    for module in house:
        if module.package != "actors":
            continue
        actors = [name for name in map(actor_name, ast.walk(module.tree)) if name is not None]
        stem = module.path.rpartition("/")[2].removesuffix(".py")
        expected = "".join(part.capitalize() for part in stem.split("_")) + "Actor"
        if actors and actors != [expected]:
            yield f"{module.path} holds {', '.join(actors)}, not {expected} alone"


def actor_name(node: ast.AST) -> str | None:
    """Return the name of a public class that is an actor, else None."""
    if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
        return None
    bases = [ast.unparse(base) for base in node.bases]
    return node.name if node.name.endswith("Actor") or any(base.endswith("Actor") for base in bases) else None


def actors_meet_in_system_alone(house: list[Module]) -> Iterator[str]:
    """An actor holds addresses of others and imports none of them; system wires them."""
    own_files = {
        module.path for module in house if module.package == "actors" and any(map(actor_name, ast.walk(module.tree)))
    } - {"actors/supervised.py"}
    for module in house:
        for one in module.imports:
            if module.package == "actors" and module.path != "actors/system.py" and one.target in own_files:
                yield f"{module.path}:{one.line} imports {one.target}"


RULES: tuple[Rule, ...] = (
    arrows_never_turn,
    console_uses_the_login_site_alone,
    no_module_imports_itself_in_a_circle,
    imports_inside_are_relative,
    libraries_stay_at_home,
    store_is_the_managers,
    nobody_outside_writes,
    root_holds_the_face_alone,
    names_say_something,
    files_and_functions_are_short,
    modules_say_what_they_own,
    actors_have_a_file_each,
    actors_meet_in_system_alone,
)
OWNS = '"""Owns a fault."""\n'
LONG_FUNCTION = "def longwinded() -> None:\n" + "    print()\n" * MAX_FUNCTION_LINES
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .database import Database\n"
FAULTS: tuple[tuple[Rule, str, str, str], ...] = (  # a rule, a file, what is added, and what it says
    (arrows_never_turn, "engine/clock.py", "from ..actors.address import Address", "imports actors/address.py"),
    (arrows_never_turn, "engine/keys.py", "def f():\n    from ..console.keys import ConsoleKey", "console/keys.py"),
    (arrows_never_turn, "actors/alarm.py", "from ..testing.manual_clock import ManualClock", "testing/manual_clock"),
    (arrows_never_turn, "testing/login_site.py", "from ..console.main import main", "imports console/main.py"),
    (arrows_never_turn, "__init__.py", "from .testing.login_site import LoginSite", "imports testing/login_site.py"),
    (console_uses_the_login_site_alone, "console/demo.py", "from ..testing import schedule", "testing/schedule"),
    (no_module_imports_itself_in_a_circle, "engine/errors.py", "from .urls import url_key", "engine/errors.py"),
    (no_module_imports_itself_in_a_circle, "engine/clock.py", FOR_TYPES, "engine/clock.py"),
    (imports_inside_are_relative, "engine/urls.py", "from bequest.engine.errors import UrlError", "absolutely"),
    (imports_inside_are_relative, "engine/urls.py", "import engine.errors", "absolutely"),
    (imports_inside_are_relative, "console/auth.py", "from .. import Credential", "through __init__.py"),
    (libraries_stay_at_home, "engine/store.py", "import apsw", "engine/store.py:LAST imports apsw"),
    (libraries_stay_at_home, "actors/guard.py", "from playwright.async_api import Error", "imports playwright"),
    (libraries_stay_at_home, "engine/policies.py", "import pykka", "imports pykka"),
    (libraries_stay_at_home, "console/demo.py", "import hypothesis", "imports hypothesis"),
    (libraries_stay_at_home, "engine/urls.py", "import requests", "imports requests"),
    (libraries_stay_at_home, "engine/policies.py", "import threading", "imports threading"),
    (store_is_the_managers, "actors/monitor.py", "from ..engine.store import Store", "actors/monitor.py"),
    (store_is_the_managers, "console/auth.py", "def f():\n    from ..engine import store", "console/auth.py"),
    (store_is_the_managers, "actors/manager.py", 'OPENED = Store.open("x")', "as more than a type"),
    (nobody_outside_writes, "console/inspect.py", "from ..engine.database import Database", "Database"),
    (nobody_outside_writes, "actors/reader.py", "from ..engine.log_store import LogStore", "log_store"),
    (root_holds_the_face_alone, "setup.py", OWNS, "setup.py"),
    (names_say_something, "engine/utils.py", OWNS, "engine/utils.py"),
    (names_say_something, "console/base.py", OWNS, "console/base.py"),
    (files_and_functions_are_short, "actors/alarm.py", "\n" * MAX_LINES, "actors/alarm.py has"),
    (files_and_functions_are_short, "engine/store.py", "\n" * MAX_STORE_LINES, "engine/store.py has"),
    (files_and_functions_are_short, "engine/clock.py", LONG_FUNCTION, "longwinded has 41 lines"),
    (modules_say_what_they_own, "engine/spare.py", '"""Something."""', "engine/spare.py"),
    (modules_say_what_they_own, "engine/new/__init__.py", "x = 1", "engine/new/__init__.py"),
    (actors_have_a_file_each, "actors/monitor.py", "class SpareActor(SupervisedActor): ...", "SpareActor"),
    (actors_have_a_file_each, "actors/alarm.py", "class Ringer(pykka.ThreadingActor): ...", "not AlarmActor alone"),
    (actors_meet_in_system_alone, "actors/executor.py", "from .monitor import MonitorActor", "actors/monitor.py"),
)


def claim(rule: Rule) -> str:
    """Return a rule's name for the test's own."""
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=claim)
def test_house_keeps_the_rule(rule: Rule) -> None:
    """No module breaks the rule."""
    assert list(rule(read_house(ROOT))) == []


@pytest.mark.parametrize(("rule", "path", "fault", "said"), FAULTS, ids=[claim(fault[0]) for fault in FAULTS])
def test_rule_finds_a_planted_fault(tmp_path: Path, rule: Rule, path: str, fault: str, said: str) -> None:
    """A house with one file of it changed breaks the rule, and the rule names the place."""
    changed = tmp_path / path
    changed.parent.mkdir(parents=True, exist_ok=True)
    if (ROOT / path).exists():
        shutil.copy(ROOT / path, changed)
    with changed.open("a", encoding="utf-8") as opened:
        opened.write(fault)
    others = [module for module in read_house(ROOT) if module.path != path]

    found = list(rule([*others, read_module(changed, path, {path, *(module.path for module in others)})]))

    assert len(found) == 1
    assert said.replace("LAST", str(len(changed.read_text("utf-8").splitlines()))) in found[0]


def test_every_rule_has_a_planted_fault() -> None:
    """There is no rule that was never seen to fail."""
    assert {fault[0] for fault in FAULTS} == set(RULES)


def test_import_of_the_face_is_light() -> None:
    """``import bequest`` loads no browser, no extraction library, no command line and no test library."""
    heavy = set(HOMES) - {"apsw", "msgspec", "pykka"}
    code = "import sys, bequest; print(*{name.partition('.')[0] for name in sys.modules})"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert {"apsw", "msgspec", "pykka"} <= set(loaded.split())
    assert heavy & set(loaded.split()) == set()


def test_lists_name_no_more_than_there_is() -> None:
    """Who may know the store does know it, and each library with a home is one that the package requires."""
    knowing = {
        module.path
        for module in read_house(ROOT)
        if module.package != "engine" and any(one.target == "engine/store.py" for one in module.imports)
    }
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    wanted = "\n".join([setup["options"]["install_requires"], *setup["options.extras_require"].values()])
    required = re.findall(r"^[\w-]+", wanted, re.MULTILINE)
    assert knowing == KNOWS_THE_STORE
    assert {name.replace("-", "_") for name in required} == set(HOMES) - {"pytest"}  # who tests with it has it


def test_lint_exempts_the_homes() -> None:
    """The lint, which bans apsw and playwright, leaves them the homes that they have here."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")

    exempt = re.findall(r'^"([^"]+)" = \[[^\]]*"TID251"', text, re.MULTILINE)

    assert {*HOMES["apsw"].split(), *HOMES["playwright"].split()} <= set(exempt)
