"""Whatever a run's steps come to, it ends; each runs at most once and its retries, and the last rites always."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bequest.engine.records import State
from bequest.engine.run_steps import Again, Part, Seal, Spawn, StepState, Wait, next_move
from bequest.engine.steps import Step

steps = st.builds(
    Step, kind=st.just("a"), on_error=st.sampled_from(["fail", "continue", "retry"]), retries=st.integers(1, 3)
)
ends = st.sampled_from([State.COMPLETED, State.COMPLETED, State.FAILED, State.CANCELLED])


@st.composite
def runs(draw: st.DrawFn) -> tuple[Part, ...]:
    """Return the parts of a run."""
    before, after = draw(st.lists(steps, max_size=4)), draw(st.lists(steps, max_size=3))
    return (
        *(Part(f"step:{number}", step, False) for number, step in enumerate(before)),
        *(Part(f"post:{number}", step, True) for number, step in enumerate(after)),
    )


class Run:
    """A run whose jobs end as they are told."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts
        self.states: dict[str, StepState] = {}
        self.attempts: Counter[str] = Counter()
        self.order: list[str] = []

    def go_on(self, end: State) -> bool:
        """Do what comes next, with that end; return whether more may come."""
        found = next_move(self.parts, self.states)
        match found:
            case Spawn(part):
                assert part.key not in self.states
                self.order.append(part.key)
                self._end(part.key, len(self.order), 0, end)
            case Again(job_id):
                (key,) = (key for key, state in self.states.items() if state.job_id == job_id)
                self._end(key, job_id, self.states[key].retried + 1, end)
            case Wait():
                raise AssertionError("nothing is unfinished")
            case Seal():
                return False
        return True

    def _end(self, key: str, job_id: int, retried: int, end: State) -> None:
        self.attempts[key] += 1
        self.states[key] = StepState(job_id=job_id, state=end, retried=retried)

    def has_stopped_at(self, part: Part) -> bool:
        """Whether that part ended the run before its last rites."""
        state = self.states[part.key].state
        return state is not State.COMPLETED and part.step.on_error != "continue"


@given(parts=runs(), data=st.data())
def test_run_ends_after_its_steps_and_always_with_its_last_rites(parts: tuple[Part, ...], data: st.DataObject) -> None:
    """In no more moves than parts and retries; skipped is what comes after a failure, and nothing else."""
    run = Run(parts)
    most = sum(1 + (part.step.retries if part.step.on_error == "retry" else 0) for part in parts)

    moves = 0
    while run.go_on(data.draw(ends)):
        moves += 1
        assert moves <= most

    for part in parts:
        allowed = 1 + (part.step.retries if part.step.on_error == "retry" else 0)
        assert run.attempts[part.key] <= allowed
    assert run.order == [part.key for part in parts if part.key in run.states]
    before = [part for part in parts if not part.is_last_rite]
    stops = [number for number, part in enumerate(before) if part.key in run.states and run.has_stopped_at(part)]
    made = before[: stops[0] + 1] if stops else before
    assert set(run.states) == {part.key for part in (*made, *(part for part in parts if part.is_last_rite))}


@given(parts=runs(), data=st.data())
def test_run_that_is_asked_twice_answers_alike(parts: tuple[Part, ...], data: st.DataObject) -> None:
    """What comes next is a function of the states: after a crash it is the same move."""
    run = Run(parts)

    while True:
        assert next_move(parts, run.states) == next_move(parts, dict(reversed(run.states.items())))
        if not run.go_on(data.draw(ends)):
            break
