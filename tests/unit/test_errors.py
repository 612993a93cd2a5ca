"""The tree of errors: one root, every class with a message of its own, and drawn as it is."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

import pytest

from bequest.engine import errors
from bequest.engine.errors import BequestError, PageError


def all_below(root: type[BequestError]) -> Iterator[type[BequestError]]:
    for one in root.__subclasses__():
        yield one
        yield from all_below(one)


ALL: list[type[BequestError]] = [BequestError, *all_below(BequestError)]
OURS = [one for one in ALL if one.__module__ == errors.__name__]


@pytest.mark.parametrize("error", OURS)
def test_error_says_what_its_docstring_says(error: type[BequestError]) -> None:
    """Without another text an error's message is its docstring, as one sentence without its indentation."""
    assert str(error()) == inspect.cleandoc(error.__doc__ or "")
    assert str(error("said")) == "said"


@pytest.mark.parametrize("error", OURS)
def test_error_is_named_for_what_it_is(error: type[BequestError]) -> None:
    """Names end in Error, and each is one sentence, or more, with a stop."""
    assert error.__name__.endswith("Error")
    assert str(error()).endswith(".") or "\n" in str(error())


def test_tree_is_drawn_as_it_is() -> None:
    """The picture at the head of the module has every error, each with the number of its ancestors (one tree)."""
    drawn = re.findall(r"\b\w+Error\b", (errors.__doc__ or "").split("The docstring of a class")[0])

    assert sorted(drawn) == sorted(one.__name__ for one in OURS)


def test_every_error_of_the_library_is_of_the_tree() -> None:
    """No class that the module defines stands beside the tree."""
    tree = ast.parse(inspect.getsource(errors))
    defined = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}

    assert defined == {one.__name__ for one in OURS}


def test_page_error_says_whether_trying_again_can_help() -> None:
    """A word for programs and an answer go with the sentence; by default the network failed and may come back."""
    plain, named = PageError(), PageError("no", reason="dns", is_transient=False)

    assert (plain.reason, plain.is_transient) == ("network", True)
    assert (str(named), named.reason, named.is_transient) == ("no", "dns", False)
