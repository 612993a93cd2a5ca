"""What the benchmark harness makes of samples: verdicts, tables, pictures, and the page that holds them."""

from __future__ import annotations

import ast
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from asking import all_questions
from keeping import BEGIN, END, grouped, joined, keep, with_measured
from plot import picture
from question import SUBJECT, Contender, Machine, Outcome, Question, Report, Sample, Target
from tables import document, number, table, targets, words
from verdict import figure_of, judged, ratio_of

DOCS = Path(__file__).parents[2] / "docs"
BENCHMARKS = DOCS.parent / "benchmarks"
OURS, THEIRS = "Bequest", "huey"


def sample(contender: str, number: int, **figures: float) -> Sample:
    """Return a sample with these figures, or a failed one."""
    return Sample(contender=contender, round=number, count=10, figures=figures, error="" if figures else "no | luck")


def outcome(samples: list[Sample], *aims: Target, name: str = "enqueue") -> Outcome:
    """Return the answer to a question about both."""
    contenders = tuple(
        Contender(name=one, call=f"contenders.{one}:enqueue", durability="FULL") for one in (OURS, THEIRS)
    )
    question = Question(
        name=name, group="speed", unit="jobs/s", count=10, quick_count=1, contenders=contenders, targets=aims
    )
    return Outcome(
        question=question,
        measured_on="2026-01-02",
        load=0.5,
        is_quick=False,
        samples=tuple(samples),
        verdicts=tuple(judged(aim, samples) for aim in aims),
    )


def report(*outcomes: Outcome, cores: int = 2) -> Report:
    """Return what a machine of so many cores measured."""
    machine = Machine(
        system="Linux",
        processor="fast",
        cores=cores,
        memory_gb=8,
        disk="ext4",
        python="CPython",
        sqlite="3",
        versions={"huey": "3"},
    )
    return Report(machine=machine, outcomes=outcomes)


ROUNDS = [sample(OURS, 0, per_s=100.0), sample(THEIRS, 0, per_s=50.0), sample(OURS, 1, per_s=30.0)]
ROUNDS += [sample(THEIRS, 1, per_s=10.0), sample(OURS, 2, per_s=40.0), sample(THEIRS, 2, per_s=40.0)]


def test_ratio_is_taken_within_rounds() -> None:
    """The median of the ratios counts, and not the ratio of the medians."""
    found = ratio_of(ROUNDS, "per_s", THEIRS)

    assert found is not None
    assert (found.low, found.median, found.high) == (1.0, 2.0, 3.0)
    assert figure_of(ROUNDS, OURS, "per_s") != figure_of(ROUNDS, THEIRS, "per_s")


def test_failed_round_is_left_out() -> None:
    """A round in which one of two has no figure says nothing about them."""
    found = ratio_of([*ROUNDS[:2], sample(OURS, 1, per_s=5.0), sample(THEIRS, 1)], "per_s", THEIRS)

    assert found is not None
    assert found.low == found.high == 2.0


@pytest.mark.parametrize(
    ("target", "value", "is_met"),
    [
        (Target(over=THEIRS, at_least=2.0), 2.0, True),
        (Target(over=THEIRS, at_least=2.1), 2.0, False),
        (Target(over=THEIRS, at_most=1.9), 2.0, False),
        (Target(at_least=40.0), 40.0, True),
        (Target(at_most=39.0), 40.0, False),
        (Target(over=THEIRS, at_most_more=20.0), 20.0, True),
        (Target(over=THEIRS, at_most_more=19.0), 20.0, False),
        (Target(figure="p99_ms", at_most=1.0), None, False),
        (Target(over="nobody", at_least=1.0), None, False),
    ],
)
def test_target_is_met_by_the_median(target: Target, value: float | None, is_met: bool) -> None:
    """A target is met where the median is within its bound, and never without a figure."""
    verdict = judged(target, ROUNDS)

    assert (verdict.value, verdict.is_met) == (value, is_met)


def test_target_reads_as_words() -> None:
    """Each form of a target can be read."""
    found = [
        words(target, "jobs/s")
        for target in (
            Target(over=THEIRS, at_least=1.2),
            Target(at_least=10_000),
            Target(figure="p99_ms", at_most=3.0),
            Target(figure="seconds", over=THEIRS, at_most=1.3),
            Target(figure="peak_mb", over=THEIRS, at_most_more=60.0),
        )
    ]

    assert found == [
        "at least 1.20 times huey",
        "at least 10,000 jobs/s",
        "p99 ms at most 3",
        "seconds at most 1.30 times huey",
        "peak mb at most 60 more than huey",
    ]


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (12345.6, "12,346"), (7, "7")]
)
def test_number_has_the_digits_that_count(value: float, said: str) -> None:
    """Three digits are enough, but none before the point is left out."""
    assert number(value) == said


def test_table_has_a_row_for_each_contender() -> None:
    """The table shows medians, spreads and the ratio, and why a contender has none."""
    rows = table(outcome(ROUNDS)).splitlines()
    failed = table(outcome([ROUNDS[0], sample(THEIRS, 0)])).splitlines()

    assert rows[2] == "| Bequest | FULL | 40 | 30 to 100 | - | - | - |"
    assert rows[3] == "| huey | FULL | 40 | 10 to 50 | 2 (1 to 3) | - | - |"
    assert failed[3] == "| huey | FULL | not measured: no / luck | - | - | - | - |"


def test_targets_that_are_missed_are_seen() -> None:
    """The table of targets says what was found, and marks what is not met."""
    answer = outcome(ROUNDS, Target(over=THEIRS, at_least=3.0), Target(figure="p99_ms", at_most=1.0))

    rows = targets([answer]).splitlines()

    assert rows[2] == "| enqueue | at least 3 times huey | 2 | 1 to 3 | **no** |"
    assert rows[3] == "| enqueue | p99 ms at most 1 | not measured | - | **no** |"


def test_picture_is_an_svg_with_a_bar_for_each_figure() -> None:
    """Whoever has a figure has a bar, the subject one of its own colour; whoever has none is named all the same."""
    drawn = ElementTree.fromstring(picture([outcome(ROUNDS), outcome([ROUNDS[0], sample(THEIRS, 0)])]))  # noqa: S314

    kinds = [element.get("class") for element in drawn if element.tag.endswith("rect")]
    said = [element.text for element in drawn if element.tag.endswith("text")]

    assert kinds == ["ours", "bar", "ours"]
    assert said.count("huey") == 2
    assert "not measured" in said


def test_answers_of_another_machine_are_not_kept() -> None:
    """A report joins what was kept of the same machine, in the order of the questions, and drops what was not."""
    first, again, second = outcome(ROUNDS), outcome(ROUNDS[:2]), outcome(ROUNDS, name="drain")
    order = ["drain", "enqueue"]

    assert joined(report(first, second), report(again), order).outcomes == (second, again)
    assert joined(report(first, second, cores=4), report(again), order).outcomes == (again,)
    assert list(grouped(report(first, second))) == ["speed"]


def test_page_without_marks_is_not_written() -> None:
    """What was measured goes between two marks, and nowhere else."""
    assert with_measured(f"a\n{BEGIN}\nold\n{END}\nb\n", "new\n") == f"a\n{BEGIN}\nnew\n{END}\nb\n"
    with pytest.raises(ValueError, match="measured: begin"):
        with_measured("no marks", "new")


def test_what_is_kept_can_be_read_again(tmp_path: Path) -> None:
    """The file holds the report, the page its tables, and a picture stands for each group."""
    answer = report(outcome(ROUNDS, Target(over=THEIRS, at_least=2.0)))
    (tmp_path / "benchmarks.md").write_text(f"# Page\n{BEGIN}\n{END}\n", "utf-8")

    keep(answer, tmp_path, ["enqueue"])

    assert msgspec.json.decode((tmp_path / "benchmarks.json").read_bytes(), type=Report) == answer
    assert document(answer) in (tmp_path / "benchmarks.md").read_text("utf-8")
    assert (tmp_path / "benchmarks/speed.svg").read_text("utf-8").startswith("<svg")


@pytest.mark.parametrize("question", all_questions(), ids=lambda question: question.name)
def test_question_asks_whom_there_is(question: Question) -> None:
    """Each contender names a function that is there, each target a contender, and no two contenders share a name."""
    names = [contender.name for contender in question.contenders]

    assert question.quick_count <= question.count
    assert len(set(names)) == len(names)
    assert {target.over for target in question.targets} - {None} <= set(names)
    assert not question.targets or SUBJECT in names
    for contender in question.contenders:
        for called in (contender.call, *contender.servers):
            module, _, function = called.partition(":")
            code = ast.parse((BENCHMARKS / f"{module.replace('.', '/')}.py").read_text("utf-8"))
            assert function in {node.name for node in code.body if isinstance(node, ast.FunctionDef)}, called


def test_page_says_what_the_file_holds() -> None:
    """The tables and pictures of the docs are those that the kept report gives."""
    page = (DOCS / "benchmarks.md").read_text("utf-8")
    path = DOCS / "benchmarks.json"
    if not path.exists():
        assert with_measured(page, "Nothing is measured yet.\n") == page
        return

    kept = msgspec.json.decode(path.read_bytes(), type=Report)

    assert with_measured(page, document(kept)) == page
    for group, outcomes in grouped(kept).items():
        assert (DOCS / f"benchmarks/{group}.svg").read_text("utf-8") == picture(outcomes)
