"""What a program registers: the types that a handler takes and returns, and what is refused, with the field's path."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bequest import InvalidJobError, MetadataError
from bequest.actors.kinds import Handler, Kind, Kinds, Terms, as_json, types_of
from bequest.engine.limits import KindTerms
from bequest.engine.records import KeyScope, OnClash, OnFailure
from bequest.engine.retries import Retry

if TYPE_CHECKING:
    from bequest import JobContext  # as many programs import it


class Size(msgspec.Struct):
    """A part of a config."""

    width: int
    height: int = 1


class Thumb(msgspec.Struct):
    """A config."""

    path: str
    sizes: list[Size] = []


def plain(job: JobContext, config: Thumb) -> Size:
    """Make a thumbnail."""
    return config.sizes[0]


async def waiting(job: JobContext, config: Thumb) -> str:
    """Make one later."""
    return config.path


def bare(job: JobContext) -> None:
    """Take nothing."""


def kind(handler: Handler = plain, name: str = "thumb", **terms: Any) -> Kind[Any, Any]:
    return Kind(name, handler, Terms(limits=KindTerms(kind=name), **terms))


# Handlers


@pytest.mark.parametrize(
    ("handler", "config_type", "result_type"),
    [
        (plain, Thumb, Size),
        (waiting, Thumb, str),
        (bare, None, type(None)),
        (functools.wraps(plain)(lambda *given: plain(*given)), Thumb, Size),
        (functools.partial(plain), Thumb, Size),
    ],
)
def test_types_of_a_handler_are_its_annotations(handler: Handler, config_type: Any, result_type: Any) -> None:
    """Also where the job's own type is imported for type checkers alone."""
    assert types_of(handler, "x") == (config_type, result_type)


def test_handler_that_says_no_result_may_return_anything() -> None:
    """Its result is any JSON value."""
    namespace: dict[str, Any] = {}
    exec("def quiet(job): ...", namespace)  # noqa: S102 - a function without annotations, which mypy would refuse

    assert types_of(namespace["quiet"], "x") == (None, Any)


def test_handler_can_be_an_object_that_is_called() -> None:
    """Its call says the types."""

    class Maker:
        def __call__(self, job: object, config: Thumb) -> Size:
            return config.sizes[0]

    assert types_of(Maker(), "x") == (Thumb, Size)


def no_parameters() -> None: ...


def three(job: Any, config: Thumb, more: int) -> None: ...


def by_name(job: Any, *, config: Thumb) -> None: ...


def spread(job: Any, **config: Thumb) -> None: ...


def rest(*given: Any) -> None: ...


@pytest.mark.parametrize(("handler", "count"), [(no_parameters, 0), (three, 3), (by_name, 2), (spread, 2), (rest, 1)])
def test_handler_that_cannot_be_called_with_a_job_and_a_config_is_refused(handler: Handler, count: int) -> None:
    """When it is registered, not when the first job runs."""
    with pytest.raises(InvalidJobError, match=f"handler of 'x' takes a job and perhaps a config, found {count} param"):
        types_of(handler, "x")


def test_handler_that_is_no_function_is_refused() -> None:
    """The refusal says what was found."""
    with pytest.raises(InvalidJobError, match="the handler of 'x' is a function, found a int"):
        types_of(5, "x")  # type: ignore[arg-type]


def untyped() -> Handler:
    namespace: dict[str, Any] = {}
    exec("def untyped(job, config): ...", namespace)  # noqa: S102 - as above
    found: Handler = namespace["untyped"]
    return found


def test_handler_whose_config_has_no_type_is_refused() -> None:
    """What would it be checked against?"""
    with pytest.raises(InvalidJobError, match="the handler of 'x' says no type for its parameter 'config'"):
        types_of(untyped(), "x")


def test_handler_whose_type_cannot_be_found_is_refused() -> None:
    """Such as one that is defined inside a function while annotations are texts."""

    class Local(msgspec.Struct):
        n: int

    def handler(job: object, config: Local) -> None: ...

    with pytest.raises(InvalidJobError, match="the handler of 'x' has a type that cannot be found: name 'Local'"):
        types_of(handler, "x")


def test_handler_for_a_process_stands_at_the_top_of_a_module() -> None:
    """Another process must import it; so must that of the kind's own step."""

    def inner(job: object) -> None: ...

    with pytest.raises(InvalidJobError, match="is to run in a process, found it inside a function"):
        kind(inner, run_in="process")
    with pytest.raises(InvalidJobError, match="is to run in a process, found it inside a function"):
        kind(bare, run_in="process").after_children(inner)


def test_kind_is_called_as_its_handler_is() -> None:
    """A test of a handler needs no engine."""
    made = kind()

    assert (made(None, Thumb(path="a", sizes=[Size(5)])).width, made.__doc__) == (5, "Make a thumbnail.")


def test_own_step_of_a_kind_says_what_its_jobs_return() -> None:
    """The last word is its."""
    made = kind()

    handler = made.after_children(waiting)

    assert (handler, made.own_step, made.result_type, made.config_type) == (waiting, waiting, str, Thumb)


# Configs and results


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (Thumb(path=3), r"config of a 'thumb' job: Expected `str`, got `int` - at `\$\.path`"),  # type: ignore[arg-type]
        ({"path": "a", "sizes": [{"width": 1}, {"width": "x"}]}, r"got `str` - at `\$\.sizes\[1\]\.width`"),
        ({}, r"missing required field `path`"),
        (None, r"Expected `object`, got `null`"),
        (5, r"Expected `object`, got `int`"),
        (object(), r"config of a 'thumb' job: .*object"),
    ],
)
def test_config_of_another_type_is_refused_with_the_path_of_the_field(config: object, said: str) -> None:
    """When it is enqueued."""
    with pytest.raises(InvalidJobError, match=said):
        kind().new_job(config)


def test_config_that_json_cannot_hold_is_refused() -> None:
    """Naming the job and the key."""
    with pytest.raises(MetadataError, match="config of a 'thumb' job: key 'path' holds half of a surrogate pair"):
        kind().new_job(Thumb(path="\ud800"))


def test_config_that_holds_itself_is_refused() -> None:
    """It has no end."""
    endless: list[Any] = []
    endless.append(endless)

    with pytest.raises(InvalidJobError, match="config of x"):
        as_json(endless, list[Any], asked="config of x")


@pytest.mark.parametrize("config", [Thumb(path="a", sizes=[Size(1)]), {"path": "a", "sizes": [{"width": 1}]}])
def test_config_is_read_back_as_the_handlers_type(config: object) -> None:
    """Plain values will do where they are of that shape."""
    made = kind()

    assert made.read(made.new_job(config).config) == Thumb(path="a", sizes=[Size(1)])


def test_config_that_was_stored_is_checked_again() -> None:
    """A kind may have changed since."""
    with pytest.raises(InvalidJobError, match=r"config of a 'thumb' job: .*missing required field `path`"):
        kind().read({"old": 1})


def test_kind_that_takes_no_config_gets_none() -> None:
    """To give it one is a mistake."""
    made = kind(bare, "bare")

    assert made.new_job(None).config == {}
    with pytest.raises(InvalidJobError, match="kind 'bare' takes no config, found a dict"):
        made.new_job({})


def test_result_is_read_as_the_type_that_was_promised() -> None:
    """From the plain values that the database keeps."""
    assert kind().read_result({"width": 3}) == Size(3)


# Jobs of a kind


def test_job_has_what_its_kind_says_unless_it_is_told_otherwise() -> None:
    """Queue, attempts, failures that it allows its children, and time."""
    made = kind(bare, queue="slow", retry=Retry(max_attempts=7), timeout_s=5.0, max_child_failures=2)

    usual, other = made.new_job(None), made.new_job(None, queue="quick", max_attempts=1, timeout_s=9.0)

    assert (usual.queue, usual.max_attempts, usual.timeout_s, usual.max_child_failures) == ("slow", 7, 5.0, 2)
    assert (other.queue, other.max_attempts, other.timeout_s, other.max_child_failures) == ("quick", 1, 9.0, 2)


def test_options_may_be_words() -> None:
    """As a file or a form has them."""
    job = kind(bare).new_job(
        None, key="a", key_scope="unfinished", on_clash="after", on_failure="ignore", tags=["x", "y"]
    )

    assert (job.key_scope, job.on_clash, job.on_failure) == (KeyScope.UNFINISHED, OnClash.AFTER, OnFailure.IGNORE)
    assert job.tags == ("x", "y")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key_scope": "sometimes"}, "with key_scope='sometimes', expected one of forever, unfinished, queued, period"),
        ({"on_failure": "cry"}, "asked for a job with on_failure='cry', expected one of count, ignore, fail, continue"),
        ({"prio": 1}, "asked for a job with prio, found no option of that name"),
        ({"parent_id": 1, "state": "running"}, "asked for a job with parent_id, state, found no option of that name"),
    ],
)
def test_option_that_is_none_is_refused(options: dict[str, Any], said: str) -> None:
    """Nothing is parsed and ignored, and no column is set behind the engine's back."""
    with pytest.raises(InvalidJobError, match=said):
        kind(bare).new_job(None, **options)


# Registered kinds


def test_kind_is_found_by_its_name() -> None:
    """One name, one kind; the refusals say what to do."""
    kinds, made = Kinds(), kind(bare, "a")
    kinds.add(made)

    assert kinds.get("a") is made
    with pytest.raises(InvalidJobError, match=r"asked for kind 'b', found none; register it with @engine\.kind\('b'\)"):
        kinds.get("b")
    with pytest.raises(InvalidJobError, match="register kind 'a', found it registered; choose another name"):
        kinds.add(kind(bare, "a"))
    assert kinds.get("a") is made


@pytest.mark.parametrize("name", ["crawl", "run", "page"])
def test_names_of_the_crawler_are_its_own(name: str) -> None:
    """Its runs and pages are no jobs for a handler."""
    with pytest.raises(InvalidJobError, match=f"register kind '{name}', which is the crawler's; choose another name"):
        Kinds().add(kind(bare, name))


def test_queues_and_terms_are_those_of_all_kinds() -> None:
    """A job of any kind may be enqueued in any queue."""
    kinds = Kinds()
    for name, queue in (("a", "slow"), ("b", "slow"), ("c", "quick")):
        kinds.add(kind(bare, name, queue=queue))

    assert kinds.queues() == {"slow", "quick"}
    assert [terms.kind for terms in kinds.of_queue("any")] == ["a", "b", "c"]
