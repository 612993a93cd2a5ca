"""Owns the import of Hypothesis, which the extra ``testing`` brings: who lacks it is told how to get it."""

from __future__ import annotations

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError('this part of bequest.testing needs Hypothesis; run pip install "bequest[testing]"') from error

__all__ = ["st"]
