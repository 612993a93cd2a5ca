"""Every mutant of the engine is found by a test: what the tests do not look at would survive."""

from __future__ import annotations

import logging

import pytest
from figures import Figures
from mutants import FOLDER, Checkout, read_mutants

logger = logging.getLogger(__name__)

NAMED_TIMEOUT_S = 1800


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Give a copy of the package."""
    return Checkout(tmp_path_factory.mktemp("mutants"))


def test_tests_that_are_to_find_the_mutants_pass_without_any(checkout: Checkout) -> None:
    """A test that fails by itself finds nothing."""
    named = sorted({test for mutant in read_mutants() for test in mutant.tests})

    assert checkout.first_failure(named, timeout_s=NAMED_TIMEOUT_S) is None


@pytest.mark.parametrize("file", sorted(path.name for path in FOLDER.glob("*.toml")))
def test_every_mutant_is_found(file: str, checkout: Checkout, figures: Figures) -> None:
    """With one line changed a test fails, of those that are named with the mutant or else of all others."""
    kills, survivors, mutants = [], [], read_mutants(file)
    for mutant in mutants:
        kill = checkout.kill(mutant)
        if kill is None:
            survivors.append(f"{mutant.name} ({mutant.becomes})")
        else:
            kills.append(kill)
            logger.warning("%s: found by %s", mutant.name, kill.test)

    assert survivors == []
    unnamed = sum(not kill.is_expected for kill in kills)
    figures.note(
        f"{len(mutants)} mutants of one line each, one at a time (`tests/mutants/{file}`)",
        f"all found, by {len({kill.test for kill in kills})} different tests; {unnamed} by a test not named for it",
    )
