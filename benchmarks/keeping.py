"""Owns what stays of a measurement: ``docs/benchmarks.json``, the generated part of ``docs/benchmarks.md``, pictures.

Answers to questions that were not asked this time stay as long as the machine and all versions are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
from plot import picture
from question import Outcome, Report
from tables import document

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def keep(report: Report, docs: Path, order: Sequence[str]) -> None:
    """Write *report*, with what was kept of the same machine, its questions in the *order* of their names."""
    path = docs / "benchmarks.json"
    if path.exists():
        report = joined(msgspec.json.decode(path.read_bytes(), type=Report), report, order)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    page = docs / "benchmarks.md"
    page.write_text(with_measured(page.read_text(), document(report)))
    (docs / "benchmarks").mkdir(exist_ok=True)
    for group, outcomes in grouped(report).items():
        (docs / "benchmarks" / f"{group}.svg").write_text(picture(outcomes))


def joined(kept: Report, new: Report, order: Sequence[str]) -> Report:
    """Return *new* with those answers of *kept* that it lacks, if both are of one machine."""
    answers = {outcome.question.name: outcome for outcome in kept.outcomes} if kept.machine == new.machine else {}
    answers |= {outcome.question.name: outcome for outcome in new.outcomes}
    return Report(machine=new.machine, outcomes=tuple(answers[name] for name in order if name in answers))


def grouped(report: Report) -> dict[str, list[Outcome]]:
    """Return the outcomes by group."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in report.outcomes:
        groups.setdefault(outcome.question.group, []).append(outcome)
    return groups


def with_measured(page: str, measured: str) -> str:
    """Return *page* with what stands between its marks replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/benchmarks.md has no {BEGIN} with an {END} after it")
    return f"{before}{begin}\n{measured}{end}{after}"
