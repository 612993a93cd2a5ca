"""The page that says what was tried names proofs that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROOFS = ROOT / "tests" / "trust"


def test_every_figure_comes_from_a_proof_that_there_is() -> None:
    """Each row begins with a file of the full forms and the name of a test in it."""
    page = (ROOT / "docs" / "trust.md").read_text("utf-8")
    _, table, _ = re.split(r"<!--.*figures.*-->", page)

    rows = [line for line in table.splitlines() if line.startswith("| `")]

    for row in rows:
        file, _, name = row.split("`")[1].partition("::")
        tree = ast.parse((PROOFS / file).read_text("utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, row
