"""Owns how a report reads in Markdown. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from question import RATE, SUBJECT, Outcome, Report, Target, Verdict
from verdict import Spread, figure_of, ratio_of

NONE = "-"


def document(report: Report) -> str:
    """Return the generated part of ``docs/benchmarks.md``."""
    groups = dict.fromkeys(outcome.question.group for outcome in report.outcomes)
    parts = [machine(report), "## The targets\n\n" + targets(report.outcomes)]
    for group in groups:
        outcomes = [outcome for outcome in report.outcomes if outcome.question.group == group]
        parts.append(f"## {group.capitalize()}\n\n![{group}](benchmarks/{group}.svg)\n")
        parts += map(section, outcomes)
    return "\n".join(parts)


def machine(report: Report) -> str:
    """Return what it was measured on."""
    found = report.machine
    rows = [
        ("system", found.system),
        ("processor", f"{found.processor}, {found.cores} cores"),
        ("memory", f"{found.memory_gb} GB"),
        ("file system", found.disk),
        ("Python", found.python),
        ("SQLite", found.sqlite),
        ("packages", ", ".join(f"{name} {version}" for name, version in sorted(found.versions.items()))),
    ]
    return "## The machine\n\n" + grid(("", ""), rows)


def section(outcome: Outcome) -> str:
    """Return one question with its answer."""
    question = outcome.question
    rounds = len({sample.round for sample in outcome.samples})
    count = question.quick_count if outcome.is_quick else question.count
    said = (
        f"Measured on {outcome.measured_on}, {rounds} rounds of {count:,}, load"
        f" before it {outcome.load:.1f}{'; quick' if outcome.is_quick else ''}."
    )
    return f"### {question.name}\n\n{question.about} {said}\n\n{table(outcome)}"


def table(outcome: Outcome) -> str:
    """Return the figures of all contenders."""
    question, samples = outcome.question, outcome.samples
    rows = []
    for contender in question.contenders:
        found = figure_of(samples, contender.name, question.figure)
        more = f", {contender.times} times as many" if contender.times > 1 else ""
        cells = [contender.name + more, contender.durability]
        if found is None:
            reason = next((one.error for one in samples if one.contender == contender.name), "")
            rows.append((*cells, f"not measured: {cell(reason)}", *[NONE] * 4))
            continue
        ratio = None if contender.name == SUBJECT else ratio_of(samples, question.figure, contender.name)
        rows.append(
            (
                *cells,
                number(found.median),
                f"{number(found.low)} to {number(found.high)}",
                NONE if ratio is None else f"{number(ratio.median)} ({number(ratio.low)} to {number(ratio.high)})",
                *(median_of(figure_of(samples, contender.name, figure)) for figure in ("cpu_s", "peak_mb")),
            )
        )
    return grid(("", "durability", question.unit, "spread", f"{SUBJECT} over it", "CPU s", "peak MB"), rows)


def targets(outcomes: Iterable[Outcome]) -> str:
    """Return all targets with what was found."""
    rows = [
        (
            outcome.question.name,
            words(verdict.target, outcome.question.unit),
            found_words(verdict),
            NONE if verdict.low is None or verdict.high is None else f"{number(verdict.low)} to {number(verdict.high)}",
            "yes" if verdict.is_met else "**no**",
        )
        for outcome in outcomes
        for verdict in outcome.verdicts
    ]
    return grid(("work", "target", "found", "over the rounds", "met"), rows)


def words(target: Target, unit: str) -> str:
    """Return a target in words."""
    figure = "" if target.figure == RATE else f"{named(target.figure)} "
    if target.over is None:
        of = f" {unit}" if target.figure == RATE else ""
        return figure + (f"at most {number(target.at_most)}" if target.at_most is not None else least(target) + of)
    if target.at_most_more is not None:
        return f"{figure}at most {number(target.at_most_more)} more than {target.over}"
    if target.at_most is not None:
        return f"{figure}at most {number(target.at_most)} times {target.over}"
    return f"{figure}{least(target)} times {target.over}"


def named(figure: str) -> str:
    """Return the name of a figure as words."""
    return figure.replace("_percent", " %").replace("_", " ")


def least(target: Target) -> str:
    """Return the lower bound in words."""
    return f"at least {number(target.at_least or 0.0)}"


def found_words(verdict: Verdict) -> str:
    """Return what a verdict found."""
    return "not measured" if verdict.value is None else number(verdict.value)


def median_of(spread: Spread | None) -> str:
    """Return the median, where there is one."""
    return NONE if spread is None else number(spread.median)


def number(value: float) -> str:
    """Return a number with three digits that count, all of those before the point."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def cell(text: str) -> str:
    """Return *text* fit for a cell."""
    return text.replace("|", "/").replace("\n", " ")[:160]


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
