"""Owns how a definition becomes jobs: the run's parent with its metadata, the seeds, and the links that pages find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from .definitions import Definition
from .records import Json, KeyScope, NewJob, Record, State
from .steps import CRAWL
from .urls import Scope, UrlScope, is_page_url, url_key

PAGE = "page"
RUN = "run"  # the kind of the parent of a run with steps
RUN_KINDS = frozenset({CRAWL, RUN})
METADATA_LOST = "parent metadata was not written; auth may not work for child jobs"  # in the log of a run (I6)


class PageConfig(Record, frozen=True, kw_only=True):
    """The input of one page job."""

    url: str  # as it was found; the job's key is that of its canonical form
    depth: int  # links followed from a seed; seeds are 0


def run_job(definition: Definition, *, key: str | None) -> NewJob:
    """Return the parent of a run: of its pages where it is one crawl, else of the jobs of its steps.

    With a *key* a second one like it is refused while the first is unfinished.
    """
    if definition.is_one_crawl:
        return parent_job(definition, key=key)
    return NewJob(
        kind=RUN,
        queue=RUN,
        config=msgspec.to_builtins(definition),
        state=State.WAITING,
        key=key,
        key_scope=KeyScope.FOREVER if key is None else KeyScope.UNFINISHED,
        max_child_failures=0,
        run_timeout_s=definition.timeout_s,
    )


def parent_job(definition: Definition, *, key: str | None) -> NewJob:
    """Return the parent of a crawl: waiting, so that nothing can claim it, and bound to the definition's limits.

    With a *key* a second one like it is refused while the first is unfinished.
    """
    return NewJob(
        kind=CRAWL,
        queue=CRAWL,
        config=msgspec.to_builtins(definition),
        state=State.WAITING,
        key=key,
        key_scope=KeyScope.FOREVER if key is None else KeyScope.UNFINISHED,
        max_child_failures=float(definition.error_tolerance),
        run_timeout_s=definition.timeout_s,
        child_limit=definition.max_pages,
        child_concurrency=definition.concurrency,
    )


def parent_metadata(definition: Definition, definition_id: int) -> dict[str, Json]:
    """Return all that the run's pages inherit."""
    metadata: dict[str, Json] = {**definition.labels, "phase": "crawling", "job_definition_id": definition_id}
    if definition.auth_id is not None:
        metadata["auth_id"] = definition.auth_id
    return metadata


def seed_jobs(definition: Definition, definition_id: int) -> tuple[NewJob, ...]:
    """Return the first pages of a run, in the order of the definition."""
    return tuple(
        _page_job(url, 0, definition, definition_id, {"discovered_by": "definition", "link_index": index})
        for index, url in enumerate(definition.start_urls)
    )


def link_jobs(
    links: Sequence[str], found_by: PageConfig, job_id: int, definition: Definition, definition_id: int | None
) -> tuple[NewJob, ...]:
    """Return the pages that a page's *links* lead to under the definition's rules.

    Duplicates are the store's to refuse.
    """
    depth = found_by.depth + 1
    if depth > definition.max_depth:
        return ()
    scope = url_scope(definition)
    jobs: dict[str, NewJob] = {}
    for index, url in enumerate(links):
        if is_page_url(url) and scope.admits(url):
            metadata: Mapping[str, Json] = {"discovered_by": job_id, "link_index": index}
            job = _page_job(url, depth, definition, definition_id, metadata)
            jobs.setdefault(job.key or "", job)
    return tuple(jobs.values())


def url_scope(definition: Definition) -> UrlScope:
    """Return where the links of a run may lead."""
    return UrlScope(
        seeds=definition.start_urls,
        include=definition.include,
        exclude=definition.exclude,
        scope=Scope(definition.scope),
    )


def _page_job(
    url: str, depth: int, definition: Definition, definition_id: int | None, metadata: Mapping[str, Json]
) -> NewJob:
    return NewJob(
        kind=PAGE,
        queue=CRAWL,
        config=msgspec.to_builtins(PageConfig(url=url, depth=depth)),
        metadata=dict(metadata),
        definition_id=definition_id,
        key=url_key(url),
        max_attempts=definition.max_attempts,
    )
