"""Whatever a foreign input holds: it is read or refused by its own error, at a cost of its size, without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_drive import feed, refuse
from fuzz_targets import TARGETS
from growth import MAX_RATIO, ratio_of
from pumps import PUMPS

SEED = 20261125
COUNT = 300


@pytest.mark.parametrize("name", TARGETS)
def test_foreign_input_is_read_or_refused_without_its_secrets(name: str) -> None:
    """Nothing but the documented error comes of it, no error shows a value, and what was read can be used (I16)."""
    feed(name, COUNT, SEED)


def test_foreign_input_that_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    """A session file that an engine refuses changes nothing that is stored (I12)."""
    names = [name for name in TARGETS if name not in ("url", "page", "set_cookie", "totp", "key_file")]

    assert refuse(tmp_path, names, count=150, seed=SEED) > 30


@pytest.mark.parametrize("name", PUMPS)
def test_foreign_input_costs_what_its_size_says(name: str) -> None:
    """Four times the input takes about four times the work, and never sixteen."""
    assert ratio_of(PUMPS[name]) <= MAX_RATIO
