"""The delivery of events: in the order of the commits, to everybody, and waiting for nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from bequest import EngineError, Event, EventsMissed, JobMoved
from bequest.actors.event_hub import EventHub, Subscription
from bequest.engine.changes import Move

PATIENCE_S = 5.0


@pytest.fixture
def hub() -> Iterator[EventHub]:
    """Give a hub, stopped in the end."""
    made = EventHub()
    yield made
    made.stop()


def publish(hub: EventHub, *job_ids: int, at: float = 1.0) -> None:
    hub.publish([Move(job_id, None, "q", "k", None, 0) for job_id in job_ids], at)


def read(subscription: Subscription, count: int) -> list[Event]:
    """Return the next events; none may keep the test waiting."""
    found = [subscription.get(PATIENCE_S) for _ in range(count)]
    assert None not in found
    return [event for event in found if event is not None]


def jobs(events: list[Event]) -> list[int]:
    return [event.job_id for event in events if isinstance(event, JobMoved)]


def test_events_come_in_the_order_of_the_commits(hub: EventHub) -> None:
    """Numbered one by one from the engine's start on, with the time of their commit."""
    subscription = hub.subscribe()

    publish(hub, 7, 8, at=1.0)
    publish(hub, 9, at=2.0)

    events = read(subscription, 3)
    assert (jobs(events), [(event.number, event.at) for event in events]) == ([7, 8, 9], [(1, 1.0), (2, 1.0), (3, 2.0)])


def test_subscription_begins_with_the_next_event(hub: EventHub) -> None:
    """The numbers count what came before all the same."""
    publish(hub, 1, 2)
    subscription = hub.subscribe()

    publish(hub, 3)

    (event,) = read(subscription, 1)
    assert (event.number, jobs([event])) == (3, [3])


def test_every_subscription_gets_every_event(hub: EventHub) -> None:
    """What one reads the others still have."""
    first, second = hub.subscribe(), hub.subscribe()

    publish(hub, 1, 2)

    assert jobs(read(first, 2)) == jobs(read(second, 2)) == [1, 2]


def test_slow_subscription_loses_its_oldest_events_and_is_told(hub: EventHub) -> None:
    """How many, and which was the last; what comes after is whole, and others lose nothing."""
    slow, other = hub.subscribe(buffer=2), hub.subscribe()
    publish(hub, 1, 2, 3)
    publish(hub, 4, 5, at=2.0)

    missed, *rest = read(slow, 3)

    assert missed == EventsMissed(number=3, at=1.0, count=3)
    assert (jobs(rest), [event.number for event in rest]) == ([4, 5], [4, 5])
    assert jobs(read(other, 5)) == [1, 2, 3, 4, 5]


def test_subscription_that_catches_up_is_told_of_each_loss_once(hub: EventHub) -> None:
    """Each time with what was lost since."""
    slow = hub.subscribe(buffer=1)
    publish(hub, 1, 2)
    first = read(slow, 2)
    publish(hub, 3)
    second = read(slow, 1)
    publish(hub, 4, 5, 6)
    third = read(slow, 2)

    assert [event.count for event in (*first, *second, *third) if isinstance(event, EventsMissed)] == [1, 2]
    assert jobs([*first, *second, *third]) == [2, 3, 6]


@pytest.mark.parametrize("buffer", [0, -1])
def test_buffer_that_holds_nothing_is_refused(hub: EventHub, buffer: int) -> None:
    """It could not even say what it lost."""
    with pytest.raises(EngineError, match=f"holds at least 1 event, found {buffer}"):
        hub.subscribe(buffer)


def test_subscription_waits_no_longer_than_it_is_told(hub: EventHub) -> None:
    """Without an event it is None."""
    assert hub.subscribe().get(0.0) is None


def test_waiting_reader_is_woken_by_an_event(hub: EventHub) -> None:
    """From another thread, without polling."""
    subscription, found = hub.subscribe(), list[Event | None]()
    reader = threading.Thread(target=lambda: found.append(subscription.get(PATIENCE_S)))
    reader.start()

    publish(hub, 1)
    reader.join(PATIENCE_S)

    assert jobs([event for event in found if event is not None]) == [1]


def test_closed_subscription_is_read_to_its_end(hub: EventHub) -> None:
    """What was taken can still be read, and nothing comes any more."""
    with hub.subscribe() as subscription:
        publish(hub, 1, 2)
    publish(hub, 3)

    assert jobs(list(subscription)) == [1, 2]
    assert subscription.get(0.0) is None


def test_events_that_were_lost_before_the_end_are_told(hub: EventHub) -> None:
    """Also when the subscription is closed by then."""
    subscription = hub.subscribe(buffer=1)
    publish(hub, 1, 2)
    subscription.close()

    missed, last = list(subscription)

    assert (missed, jobs([last])) == (EventsMissed(number=1, at=1.0, count=1), [2])


def test_waiting_reader_is_woken_by_the_end(hub: EventHub) -> None:
    """Or its thread would never end."""
    subscription, found = hub.subscribe(), list[Event | None]()
    reader = threading.Thread(target=lambda: found.append(subscription.get()))
    reader.start()

    hub.stop()
    reader.join(PATIENCE_S)

    assert (found, reader.is_alive()) == ([None], False)


# Callbacks


class Tape:
    """A callback that notes what it is called with, and can be waited for."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.events: list[Event] = []
        self.threads: set[str] = set()
        self._error = error
        self._called = threading.Semaphore(0)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.threads.add(threading.current_thread().name)
        self._called.release()
        if self._error is not None:
            raise self._error

    def wait(self, count: int) -> list[int]:
        """Wait for so many calls and return the jobs of all of them."""
        for _ in range(count):
            assert self._called.acquire(timeout=PATIENCE_S)
        return jobs(self.events)


def test_callback_is_called_in_order_on_a_thread_of_its_own(hub: EventHub) -> None:
    """Never on the one that publishes, which is the manager's."""
    tape = Tape()
    hub.call(tape)

    publish(hub, 1, 2)
    publish(hub, 3)

    assert (tape.wait(3), tape.threads) == ([1, 2, 3], {"bequest-events"})


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt()])
def test_callback_that_raises_is_called_again(
    hub: EventHub, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """Its error is logged with the event's number, and harms nobody; nor does one that ends the program."""
    bad, good = Tape(error), Tape()
    hub.call(bad)
    hub.call(good)

    publish(hub, 1, 2)

    assert (bad.wait(2), good.wait(2)) == ([1, 2], [1, 2])
    hub.stop()
    assert [getattr(record, "event", None) for record in caplog.records] == [1, 2]


def test_callback_that_never_returns_holds_up_nobody(hub: EventHub) -> None:
    """It loses its own events alone."""
    may_go, slow, good = threading.Event(), Tape(), Tape()

    def hang(event: Event) -> None:
        slow(event)
        assert may_go.wait(PATIENCE_S)

    hub.call(hang, buffer=1)
    hub.call(good)
    publish(hub, 1)
    slow.wait(1)
    publish(hub, 2, 3)

    assert good.wait(3) == [1, 2, 3]
    may_go.set()
    slow.wait(2)
    assert slow.events[1:] == [EventsMissed(number=2, at=1.0, count=1), slow.events[2]]


def test_callback_can_be_ended(hub: EventHub) -> None:
    """By what is returned for it, also from within."""
    tape, ends = Tape(), list[object]()

    def once(event: Event) -> None:
        tape(event)
        ends[0]()  # type: ignore[operator]

    ends.append(hub.call(once))
    publish(hub, 1)
    tape.wait(1)
    hub.stop()
    publish(hub, 2)

    assert jobs(tape.events) == [1]


def test_callbacks_that_were_ended_are_forgotten(hub: EventHub) -> None:
    """A program that listens anew for every request must not grow with them."""
    for _ in range(20):
        ended = Tape()
        end = hub.call(ended)
        end()
        for thread in hub._callers:
            thread.join(PATIENCE_S)

    assert len(hub._callers) == 1


def test_hub_leaves_no_thread_behind() -> None:
    """And a stop from within a callback does not wait for itself."""
    made, stopped = EventHub(), threading.Event()

    def stop(_event: Event) -> None:
        made.stop()
        stopped.set()

    made.call(stop)
    made.call(Tape())
    publish(made, 1)

    assert stopped.wait(PATIENCE_S)
    made.stop()
    assert [thread for thread in threading.enumerate() if thread.name == "bequest-events"] == []
