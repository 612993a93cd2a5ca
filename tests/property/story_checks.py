"""What must hold of a story that was told, by the number of the invariant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from story import KEY, LATE_S, MAX_PAGES, PARTS, Story
from story_handlers import FRUITLESS
from story_site import AUTH_ID, SECRETS

from bequest import EngineState, Job
from bequest.engine.database import MEMORY
from bequest.engine.records import STATES, State

RESULTS = {"gather": sum(range(PARTS)), "flow": 20.0, "late": 9, "orphan": 5, "returned": 6}


def faults_of(story: Story) -> list[str]:
    """Return all that does not hold."""
    jobs = all_jobs(story)
    return [
        *story.ledger.faults,
        *ends(story),
        *crawl(story, jobs),
        *metadata(story),
        *cancelled(story, jobs),
        *attempts(story, jobs),
        *counters(story, jobs),
        *times(story, jobs),
        *health(story),
        *secrets(story),
    ]


def all_jobs(story: Story) -> dict[int, Job]:
    """Return every job."""
    roots = [view.job for view in story.engine.jobs(limit=1000)]
    found: dict[int, Job] = {}
    while roots:
        job = roots.pop()
        found[job.id] = job
        roots += [view.job for view in story.engine.jobs(parent_id=job.id, limit=1000)]
    return found


def ends(story: Story) -> Iterator[str]:
    """I1, I9, I11: every acknowledged job is there, once, and has ended as it must."""
    for key, handle in story.jobs.items():
        job = handle.job()
        expected = {"doomed": State.FAILED, "unwanted": State.CANCELLED}.get(key, State.COMPLETED)
        if job.state is not expected:
            yield f"I9: {key} is {job.state}, not {expected}"
        wanted = int(key.removeprefix("tally ")) if key.startswith("tally") else RESULTS.get(key)
        if wanted is not None and job.result != wanted:
            yield f"I1: {key} returned {job.result!r}, not {wanted!r}"
    roots = [view.job for view in story.engine.jobs(limit=1000)]
    keys = Counter(job.key for job in roots if job.kind != "crawl")
    yield from (f"I11: {count} jobs have the key {key}" for key, count in keys.items() if count > 1)
    if set(keys) != set(story.jobs):
        yield f"I1: found the keys {sorted(map(str, keys))}"


def crawl(story: Story, jobs: dict[int, Job]) -> Iterator[str]:
    """I6, I7, I9, I14, I15: every page found its session in the parent's metadata, and each URL is stored once."""
    run = story.engine.find_run(story.started.id)
    if run.status().state is not State.COMPLETED:
        yield f"I9: the run is {run.status().state}"
    pages = [job for job in jobs.values() if job.parent_id == run.id]
    urls = [document.url for document in run.documents()]
    if len(pages) != MAX_PAGES or len(urls) != MAX_PAGES or len(set(urls)) != MAX_PAGES:
        yield f"I14, I15: {len(pages)} pages, {len(urls)} documents, {len(set(urls))} URLs"
    if story.site.anonymous:
        yield f"I6: fetched without the session: {story.site.anonymous}"
    for page in pages:
        if page.metadata.get("auth_id") != AUTH_ID or page.metadata.get("team") != "harbour":
            yield f"I6: page {page.id} inherited {sorted(page.metadata)}"
    for line in story.engine.logs(run.id, limit=10_000):
        if line.entry.fields.get("source", "parent metadata") != "parent metadata":
            yield f"I6: page {line.entry.job_id} found its session in the {line.entry.fields['source']}"


def metadata(story: Story) -> Iterator[str]:
    """I8: no key that was merged is lost, and the counter has what was added."""
    found = story.engine.find_job(story.started.id).job().metadata
    lost = {key for key, value in story.merged.items() if found.get(key) != value}
    if lost or found.get("auth_id") != AUTH_ID:
        yield f"I8: lost {sorted(lost)} of {sorted(found)}"
    count = found.get("count")
    acknowledged, asked = story.added
    if not isinstance(count, int) or not acknowledged <= count <= asked:
        yield f"I1: counted {count}, of {acknowledged} acknowledged and {asked} asked for"


def cancelled(story: Story, jobs: dict[int, Job]) -> Iterator[str]:
    """I10: nothing of what was cancelled has begun after that, or is unfinished."""
    unwanted = story.jobs["unwanted"].id
    below = {job.id: job.token for job in jobs.values() if unwanted in (job.id, job.parent_id)}
    if below != story.tokens_at_cancel:
        yield f"I10: leased after the cancel: {below}, was {story.tokens_at_cancel}"
    yield from (f"I10: job {one} is {jobs[one].state}" for one in below if jobs[one].state is not State.CANCELLED)


def attempts(story: Story, jobs: dict[int, Job]) -> Iterator[str]:
    """I3, I5: tokens only grow, each start has its own, and attempts count what was tried."""
    for job in jobs.values():
        starts = [start for start in story.ledger.starts if start.job_id == job.id]
        tokens = [start.token for start in starts]
        if tokens != sorted(set(tokens)):
            yield f"I3: job {job.id} was started with the tokens {tokens}"
        if not 0 <= job.attempts <= job.max_attempts:
            yield f"I5: job {job.id} has {job.attempts} attempts of {job.max_attempts}"
        if job.kind == "doomed" and (job.attempts != FRUITLESS or len(starts) < FRUITLESS):
            yield f"I5: the doomed job was started {len(starts)} times and has {job.attempts} attempts"
        lost = job.id == story.jobs["orphan"].id
        if not story.crashes and job.kind in ("tally", "flaky") and job.attempts != len(starts) + lost:
            yield f"I5: job {job.id} was started {len(starts)} times and has {job.attempts} attempts"


def counters(story: Story, jobs: dict[int, Job]) -> Iterator[str]:
    """I13: the counters are what counting gives."""
    counted = Counter((job.kind, job.state) for job in jobs.values())
    told: Counter[tuple[str, State]] = Counter()
    for one in story.engine.stats():
        told.update({(one.kind, state): getattr(one.jobs, state) for state in map(State, STATES)})
    if +told != counted:
        yield f"I13: counted {+told}, found {counted}"


def times(story: Story, jobs: dict[int, Job]) -> Iterator[str]:
    """I9, I20: what needs no time takes none, what has a time waits for it, and no handler is left behind."""
    if not story.crashes and not story.is_at_rest_at_once:
        yield "I9: what waits for no time did not end without it"
    late = jobs[story.jobs["late"].id]
    early = [start for start in story.ledger.starts if start.job_id == late.id and start.at < late.created_at + LATE_S]
    if early:
        yield f"the late job was started at {early}, and made at {late.created_at}"
    left = [job_id for job_id, running in story.ledger.running.items() if running]
    if left:
        yield f"handlers of the jobs {left} were not told that they are lost"


def health(story: Story) -> Iterator[str]:
    """The engine has come through it, and the file is sound."""
    found = story.engine.health()
    if found.state is not EngineState.RUNNING or (not story.crashes and found.restarts):
        yield f"the engine is {found}"
    yield from (f"the database: {finding}" for finding in story.engine.integrity())


def secrets(story: Story) -> Iterator[str]:
    """I16, I17: no secret stands in the clear in any file, none went where it must not, and one login is for all."""
    if not story.crashes and story.site.logins > 1:
        yield f"the session was renewed {story.site.logins} times"
    yield from (f"I17: {stray}" for stray in story.site.strays)
    files = files_of(story)
    for secret in (*(one.encode() for one in SECRETS), KEY):
        yield from (f"I16: {secret!r} is in {name}" for name, content in files.items() if secret in content)


def files_of(story: Story) -> dict[str, bytes]:
    """Return what stands in the files of the engine, or what would where it has none."""
    if story.path == Path(MEMORY):
        store = story.engine._store
        assert store is not None
        return {MEMORY: store._database._connection.serialize("main")}
    return {path.name: path.read_bytes() for path in story.path.parent.glob(f"{story.path.name}*")}
