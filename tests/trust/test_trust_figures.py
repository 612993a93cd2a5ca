"""The table of figures: what ran takes the place of its own rows, and all else of the page stays."""

from __future__ import annotations

from figures import BEGIN, END, Figure, Figures, merged

PAGE = f"# Trust\n\nWords.\n\n{BEGIN}\n{END}\n\nMore.\n"
KILLS = Figure("test_a.py::test_kills", "60 kills", "0 lost")
FORKS = Figure("test_b.py::test_forks", "5 forks | of all", "0 left")


def test_figures_of_a_run_replace_their_own_rows_alone() -> None:
    """A second run changes the rows of the tests that ran, and neither those of others nor the words around."""
    first = merged(PAGE, [FORKS, KILLS], "then, here")

    second = merged(first, [KILLS._replace(claim="70 kills"), KILLS], "now, there")

    assert second.splitlines() == [
        *("# Trust", "", "Words.", "", BEGIN, ""),
        "| proof | what was done | what came of it | when and where |",
        "|---|---|---|---|",
        "| `test_a.py::test_kills` | 70 kills | 0 lost | now, there |",
        "| `test_a.py::test_kills` | 60 kills | 0 lost | now, there |",
        "| `test_b.py::test_forks` | 5 forks \\| of all | 0 left | then, here |",
        *("", END, "", "More."),
    ]


def test_figures_of_a_test_that_failed_are_not_kept() -> None:
    """What a test noted before it failed is no figure."""
    figures = Figures()
    for test in ("test_a.py::test_one", "test_a.py::test_two"):
        figures.test = test
        figures.note("done", "well")
    figures.failed.add("test_a.py::test_two")

    assert [figure.test for figure in figures.good()] == ["test_a.py::test_one"]
