"""Owns what samples say: medians with their spread, ratios within rounds, and whether a target is met.

Two contenders are compared within a round, where the machine was the same for both, and the median is taken of what the
rounds say. Pure functions.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec
from question import SUBJECT, Sample, Target, Verdict


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """The median of some values, the lowest and the highest of them."""

    median: float
    low: float
    high: float


def spread_of(values: Sequence[float]) -> Spread | None:
    """Return the spread, None where there are no values."""
    if not values:
        return None
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


def by_round(samples: Iterable[Sample], contender: str, figure: str) -> dict[int, float]:
    """Return a contender's figure in each round that has one."""
    return {
        sample.round: sample.figures[figure]
        for sample in samples
        if sample.contender == contender and figure in sample.figures
    }


def figure_of(samples: Iterable[Sample], contender: str, figure: str) -> Spread | None:
    """Return the spread of a contender's figure over the rounds."""
    return spread_of(tuple(by_round(samples, contender, figure).values()))


def ratio_of(samples: Sequence[Sample], figure: str, over: str, contender: str = SUBJECT) -> Spread | None:
    """Return the spread of a contender's figure divided by another's of the same round."""
    ours, theirs = by_round(samples, contender, figure), by_round(samples, over, figure)
    return spread_of([ours[number] / theirs[number] for number in ours if theirs.get(number)])


def difference_of(samples: Sequence[Sample], figure: str, over: str) -> Spread | None:
    """Return the spread of the subject's figure less another's of the same round."""
    ours, theirs = by_round(samples, SUBJECT, figure), by_round(samples, over, figure)
    return spread_of([ours[number] - theirs[number] for number in ours if number in theirs])


def judged(target: Target, samples: Sequence[Sample]) -> Verdict:
    """Return how *target* fared; without a value, where there are no figures, it is not met."""
    found = found_of(target, samples)
    if found is None:
        return Verdict(target=target, value=None)
    return Verdict(
        target=target, value=found.median, low=found.low, high=found.high, is_met=is_met(target, found.median)
    )


def found_of(target: Target, samples: Sequence[Sample]) -> Spread | None:
    """Return the value that *target* is about."""
    if target.over is None:
        return figure_of(samples, SUBJECT, target.figure)
    if target.at_most_more is not None:
        return difference_of(samples, target.figure, target.over)
    return ratio_of(samples, target.figure, target.over)


def is_met(target: Target, value: float) -> bool:
    """Return whether *value* is within all bounds of *target*."""
    upper = [bound for bound in (target.at_most, target.at_most_more) if bound is not None]
    lower = [bound for bound in (target.at_least,) if bound is not None]
    return all(value <= bound for bound in upper) and all(value >= bound for bound in lower)
