"""The command that measures: ``python benchmarks/bench.py [--quick] [--only WORD ...] [--keep]``.

Contenders of a question take turns within a round, and the order turns round with each, so that what the machine does
meanwhile meets all of them alike.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from asking import all_questions, chosen
from keeping import keep
from machine import machine_of
from question import Contender, Outcome, Question, Report, Sample, Server
from sample_main import called
from sampling import Sampler
from tables import number, table, targets
from verdict import judged

HERE = Path(__file__).parent
ROUNDS, QUICK_ROUNDS = 5, 1
QUICK_TIMEOUT_S = 60.0
Serving = Callable[[Path], AbstractContextManager[Server]]


class Servers:
    """The servers that contenders name, each started when it is first needed and kept until the end."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self._place, self._stack = place, stack
        self._running: dict[str, Server] = {}

    def of(self, contender: Contender) -> dict[str, Server]:
        """Return those of a contender."""
        for name in contender.servers:
            if name not in self._running:
                serving: Serving = called(name)
                folder = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._place))
                self._running[name] = self._stack.enter_context(serving(Path(folder)))
        return {name: self._running[name] for name in contender.servers}


class Bench:
    """Asks questions."""

    def __init__(self, sampler: Sampler, servers: Servers, *, rounds: int, is_quick: bool) -> None:
        self._sampler, self._servers, self._rounds, self._is_quick = sampler, servers, rounds, is_quick

    def ask(self, question: Question) -> Outcome:
        """Return the answer of all contenders, printed as it comes."""
        print(f"\n{question.name}", flush=True)
        load = os.getloadavg()[0]
        samples: list[Sample] = []
        for round_number in range(self._rounds):
            turn = question.contenders if round_number % 2 == 0 else question.contenders[::-1]
            for contender in turn:
                samples.append(self._sample(question, contender, round_number))
                print(line(question, samples[-1]), flush=True)
        return Outcome(
            question=question,
            measured_on=datetime.datetime.now(datetime.UTC).date().isoformat(),
            load=load,
            is_quick=self._is_quick,
            samples=tuple(samples),
            verdicts=tuple(judged(target, samples) for target in question.targets),
        )

    def _sample(self, question: Question, contender: Contender, round_number: int) -> Sample:
        count = contender.times * (question.quick_count if self._is_quick else question.count)
        timeout_s = min(question.timeout_s, QUICK_TIMEOUT_S) if self._is_quick else question.timeout_s
        try:
            servers = self._servers.of(contender)
        except (OSError, ImportError, RuntimeError) as error:
            return Sample(contender=contender.name, round=round_number, error=f"no server: {error}")
        return self._sampler.sample(contender, round_number, count, servers, timeout_s=timeout_s)


def line(question: Question, sample: Sample) -> str:
    """Return what is said of one sample."""
    if sample.error:
        return f"  {sample.round}  {sample.contender:28} {sample.error}"
    shown = number(sample.figures[question.figure])
    used = f"{sample.figures['cpu_percent']:4.0f} % CPU {sample.figures['peak_mb']:6.0f} MB"
    return f"  {sample.round}  {sample.contender:28} {shown:>12} {question.unit:8} {used}"


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(description="Measure Bequest beside its peers and its limits.")
    parser.add_argument("--quick", action="store_true", help="one round of few things, in about three minutes")
    parser.add_argument("--only", nargs="+", default=(), metavar="WORD", help="questions with one of these in the name")
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS} unless said otherwise, {QUICK_ROUNDS} with --quick")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks.json, .md and the pictures")
    parser.add_argument("--list", action="store_true", help="print the questions and ask none")
    parser.add_argument("--place", type=Path, default=Path("/var/tmp"), help="a folder on the disk to measure on")  # noqa: S108
    return parser.parse_args(words)


def main(words: Sequence[str]) -> int:
    """Ask what the command line says; return 1 when a contender failed."""
    given = arguments(words)
    questions = all_questions()
    asked = chosen(questions, given.only)
    if given.list:
        print(*(f"{one.group}: {one.name}" for one in asked), sep="\n")
        return 0
    packages = {name for one in questions for contender in one.contenders for name in contender.packages}
    machine = machine_of(given.place, packages)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers end and folders go then too
    with ExitStack() as stack:
        shared = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.place)))
        bench = Bench(
            Sampler(given.place, shared, is_quick=given.quick),
            Servers(given.place, stack),
            rounds=given.rounds or (QUICK_ROUNDS if given.quick else ROUNDS),
            is_quick=given.quick,
        )
        outcomes = []
        with contextlib.suppress(KeyboardInterrupt):  # what was asked so far counts
            outcomes += [bench.ask(question) for question in asked]
    for outcome in outcomes:
        print(f"\n{outcome.question.name}\n\n{table(outcome)}", end="")
    print(f"\n{targets(outcomes)}")
    if given.keep:
        keep(Report(machine=machine, outcomes=tuple(outcomes)), HERE.parent / "docs", [one.name for one in questions])
    return 1 if any(sample.error for outcome in outcomes for sample in outcome.samples) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
