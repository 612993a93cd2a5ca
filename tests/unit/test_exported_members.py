"""The public face is a list, and the list is true."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import bequest
from bequest.engine import errors

FACE = Path(__file__).parents[2] / "__init__.py"
TREE = ast.parse(FACE.read_text("utf-8"))


def imported_names() -> list[str]:
    """Return what the face imports from the house."""
    froms = [node for node in TREE.body if isinstance(node, ast.ImportFrom) and node.level]
    return [alias.asname or alias.name for node in froms for alias in node.names]


def hints_of(member: type) -> Iterator[object]:
    """Yield the types of a class's fields, and of what its public methods and properties return."""
    yield from (hint for name, hint in get_type_hints(member).items() if not name.startswith("_"))
    for name, found in inspect.getmembers(member):
        function = found.fget if isinstance(found, property) else found
        if not name.startswith("_") and callable(function) and hasattr(function, "__annotations__"):
            yield get_type_hints(function).get("return")


def classes_in(hint: object) -> Iterator[type]:
    """Yield the classes of ours in a type, however deep."""
    if isinstance(hint, type) and hint.__module__.startswith("bequest."):
        yield hint
    for inner in get_args(hint):
        yield from classes_in(inner)


def test_exported_members_are_sorted() -> None:
    """The list is in order and names nothing twice."""
    assert bequest.__all__ == sorted(set(bequest.__all__))


def test_exported_members_are_what_the_face_imports() -> None:
    """All that the face imports from the house is in the list, and nothing else is."""
    assert sorted(imported_names()) == bequest.__all__


def test_exported_members_exist() -> None:
    """Each name of the list can be imported and says of itself what it is."""
    members = {name: getattr(bequest, name) for name in bequest.__all__}

    assert [name for name, member in members.items() if not inspect.getdoc(member)] == []


def test_exported_members_give_only_what_is_exported() -> None:
    """Whatever a member of the face returns, yields or holds can be named by whoever gets it."""
    members = [member for member in map(bequest.__dict__.get, bequest.__all__) if inspect.isclass(member)]

    given = {found.__name__: found for member in members for hint in hints_of(member) for found in classes_in(hint)}

    assert set(given) - {"Address", "Vault"} <= set(bequest.__all__)  # where the engine asks, and what opens seals
    assert {"Run", "StoredDocument", "CredentialEntry", "Vault"} <= set(given)


def test_every_error_is_exported() -> None:
    """Whatever the library raises can be caught by a name of the face."""
    raised = [
        name
        for name, member in inspect.getmembers(errors, inspect.isclass)
        if member.__module__ == errors.__name__ and not name.startswith("_")
    ]

    assert set(raised) <= set(bequest.__all__)
    assert all(getattr(bequest, name) is getattr(errors, name) for name in raised)


def test_every_error_is_drawn_in_the_one_tree() -> None:
    """The picture in the module's docstring names each error once, and each is a ``BequestError``."""
    classes = dict(inspect.getmembers(errors, inspect.isclass))

    drawn = re.findall(r"\w+Error\b", inspect.getdoc(errors) or "")

    assert sorted(drawn) == sorted(classes)
    assert all(issubclass(error, errors.BequestError) for error in classes.values())


def test_every_error_has_a_message_of_its_own() -> None:
    """An error that is raised without a text still says something, and no two say the same."""
    messages = [str(member()) for _, member in inspect.getmembers(errors, inspect.isclass)]

    assert all(messages)
    assert len(set(messages)) == len(messages)


def test_face_holds_no_logic() -> None:
    """Beside imports and the list the face refuses other systems and adds the null handler, and does nothing else."""
    others = [ast.unparse(node) for node in TREE.body[1:] if not isinstance(node, ast.Import | ast.ImportFrom)]

    assert len(others) == 3
    assert others[0].startswith("if sys.platform not in ('linux', 'darwin'):\n    raise ImportError")
    assert others[1] == "logging.getLogger(__name__).addHandler(logging.NullHandler())"
    assert others[2].startswith("__all__ = [")


@pytest.mark.parametrize(("platform", "code"), [("linux", 0), ("darwin", 0), ("win32", 1), ("emscripten", 1)])
def test_face_refuses_other_systems(platform: str, code: int) -> None:
    """On Linux and macOS it is imported; elsewhere the error says where it runs and what it needs."""
    importing = f"import sys; sys.platform = {platform!r}; import bequest"

    done = subprocess.run([sys.executable, "-c", importing], capture_output=True, text=True, check=False)

    refusal = f"bequest runs on Linux and macOS, found {platform}; it needs flock and POSIX file modes"
    assert done.returncode == code
    assert (refusal in done.stderr) is bool(code)
