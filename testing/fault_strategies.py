"""Owns the strategy for faults of a disk."""

from __future__ import annotations

from typing import get_args

from .disk_vfs import ErrorName, OperationName
from .faulty_disk import FaultPlan
from .hypothesis_strategies import st

OPERATIONS: tuple[OperationName, ...] = get_args(OperationName)
ERRORS: tuple[ErrorName, ...] = get_args(ErrorName)
LATEST = 200  # operations after which nothing fails; a small test asks for some hundreds


def fault_plans(
    *, operations: tuple[OperationName, ...] = OPERATIONS, latest: int = LATEST
) -> st.SearchStrategy[FaultPlan]:
    """Return plans in which no operation fails, or the n-th of some kinds, up to the *latest*, once or from then on."""
    kinds = st.lists(st.sampled_from(operations), min_size=1, unique=True).map(tuple)
    return st.builds(
        FaultPlan,
        at=st.none() | st.integers(1, latest),
        operations=kinds,
        error=st.sampled_from(ERRORS),
        is_sticky=st.booleans(),
        is_short=st.booleans(),
    )
