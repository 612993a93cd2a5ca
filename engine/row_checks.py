"""Owns what must hold of the rows, as SQL: for each rule the rows that break it, and what is said of one.

Rules of the same rows are looked at in one pass. That rows can break a constraint too is no oversight: a constraint is
in force for what is written through it, and these rules name the job. A run that is being pruned breaks none of them.
"""

from __future__ import annotations

from typing import NamedTuple

from .crawl_jobs import METADATA_LOST, PAGE, RUN_KINDS
from .job_inserts import KEY_HOLDS
from .records import STATES
from .vault import NONCE_BYTES, TAG_BYTES

BY_STATE = ", ".join(f"sum(state = {number}) AS {name}" for number, name in enumerate(STATES))
BY_FAILURE = ", ".join(
    f"sum(state = 4 AND on_failure = {number}) AS {name}"
    for number, name in enumerate(("ignored", "fatal", "passed"), 1)
)
TALLIED = (*STATES, "ignored", "fatal", "passed")
TOTAL = " + ".join(f"tally.{name}" for name in STATES)


class RowRule(NamedTuple):
    """What is said of a row that breaks it, and when a row does; both are SQL."""

    check: str  # the number of an invariant, or a word
    message: str
    is_broken: str


class RowChecks(NamedTuple):
    """Rules of the rows that *source* gives; *source* is what stands behind FROM."""

    source: str
    rules: tuple[RowRule, ...]

    @property
    def sql(self) -> str:
        """The query with a line for each row that breaks any of them, and in it a message for each that it breaks."""
        messages = ", ".join(f"iif({rule.is_broken}, {rule.message}, NULL)" for rule in self.rules)
        return f"SELECT {messages} FROM {self.source} WHERE {' OR '.join(f'({rule.is_broken})' for rule in self.rules)}"


def about_job(check: str, said: str, is_broken: str) -> RowRule:
    """Return a rule of jobs of which "job 7" and *said* is said."""
    return RowRule(check, f"'job ' || job.id || ' {said}'", is_broken)


def unequal(names: tuple[str, ...], left: str, right: str) -> str:
    """Return the SQL by which the named counts of two tables are not the same; none there is 0."""
    sides = (", ".join(f"ifnull({side}.{name}, 0)" for name in names) for side in (left, right))
    return " IS NOT ".join(f"({side})" for side in sides)


JOBS = RowChecks(
    "job",
    (
        about_job("I2", "is in no state that there is", "job.state NOT BETWEEN 0 AND 5"),
        about_job("I2", "ended at no time, or has not ended", "(job.state >= 3) <> (job.finished_at IS NOT NULL)"),
        about_job("I2", "needs a credential and does not wait", "job.waits_for IS NOT NULL AND job.state <> 2"),
        about_job(
            "I2",
            "has an own step that does not go with its state",
            "CASE job.own_step WHEN 1 THEN job.state < 2 WHEN 2 THEN job.state = 3 OR job.state = 2 AND"
            " job.waits_for IS NULL WHEN 3 THEN job.state < 2 ELSE job.own_step <> 0 END",
        ),
        about_job("I3", "runs without a lease, or has one", "(job.state = 1) <> (job.lease_until IS NOT NULL)"),
        about_job("I3", "runs and has not started", "job.state = 1 AND job.started_at IS NULL"),
        about_job("I3", "runs and was never claimed", "job.state = 1 AND job.token = 0"),
        about_job("I3", "has more attempts than it was claimed", "job.attempts > job.token"),
        about_job("I5", "has more attempts than it may", "job.attempts NOT BETWEEN 0 AND job.max_attempts"),
        about_job(
            "I5",
            "is to be tried and has no attempt left",
            "(job.state = 0 OR job.waits_for IS NOT NULL) AND job.attempts = job.max_attempts",
        ),
        about_job("I9", "has ended before its own step", "job.state = 3 AND job.own_step = 1"),
        about_job(
            "I9",
            "has not ended and its run was pruned",
            "job.state < 3 AND job.parent_id IN (SELECT job_id FROM pruned)",
        ),
        about_job(
            "I11",
            "has ended and the job that was to follow it was not made",
            "job.follow_up_json IS NOT NULL AND job.state >= 3",
        ),
        about_job("line", "was pruned and is there", "job.id IN (SELECT job_id FROM pruned)"),
    ),
)
PARENTS = RowChecks(
    "job JOIN tally ON tally.parent_id = job.id",
    (
        about_job(
            "I6",
            "has children and nothing was left to them, or said to be lost",
            f"job.definition_id IS NOT NULL AND job.kind IN {tuple(sorted(RUN_KINDS))} AND {TOTAL} > 0"
            " AND ifnull(iif(json_valid(job.metadata_json), job.metadata_json ->> 'job_definition_id', 0), '') = ''"
            f" AND NOT EXISTS (SELECT 1 FROM job_log WHERE job_id = job.id AND message = '{METADATA_LOST}')",
        ),
        about_job("I9", "has ended and more children may come", "job.state IN (3, 4) AND job.sealed = 0"),
        about_job(
            "I9", "can be claimed and has children", f"job.state IN (0, 1) AND job.own_step IN (0, 1) AND {TOTAL} > 0"
        ),
        about_job("I14", "has more children than its limit", f"{TOTAL} > job.child_limit"),
    ),
)
CHILDREN = RowChecks(
    "job AS child LEFT JOIN job ON job.id = child.parent_id LEFT JOIN job AS root ON root.id = child.root_id",
    (
        RowRule(
            "I9",
            "'job ' || job.id || ' has ended and its child ' || child.id || ' has not'",
            "child.state < 3 AND job.state >= 3",
        ),
        RowRule(
            "I10",
            "'job ' || child.id || ' has not ended and its run ' || root.id || ' was cancelled'",
            "child.state < 3 AND root.state = 5",
        ),
        RowRule(
            "line",
            "'job ' || child.id || ' names another root than its parent'",
            "child.root_id <> CASE WHEN child.parent_id IS NULL THEN 0 WHEN job.id IS NULL THEN child.root_id"
            " WHEN job.root_id = 0 THEN job.id ELSE job.root_id END",
        ),
        RowRule(
            "line",
            "'page ' || child.id || ' goes by another definition than its crawl'",
            f"child.kind = '{PAGE}' AND job.id IS NOT NULL AND child.definition_id IS NOT job.definition_id",
        ),
    ),
)
TALLIES = RowChecks(
    f"tally FULL JOIN (SELECT job.parent_id, {BY_STATE}, {BY_FAILURE} FROM job"
    " WHERE parent_id IN (SELECT id FROM job) GROUP BY parent_id) AS counted USING (parent_id)",
    (
        RowRule(
            "I13",
            "'job ' || parent_id || ' has other children than its tally counts'",
            unequal(TALLIED, "tally", "counted"),
        ),
    ),
)
COUNTERS = RowChecks(
    f"stat FULL JOIN (SELECT queue, kind, {BY_STATE} FROM job GROUP BY queue, kind) AS counted USING (queue, kind)",
    (
        RowRule(
            "I13",
            "'queue ' || queue || ' has other jobs of kind ' || kind || ' than its counters say'",
            unequal(STATES, "stat", "counted"),
        ),
    ),
)
KEYS = RowChecks(
    "(SELECT min(id) AS first, max(id) AS last, count(*) AS holders FROM job"
    f" WHERE key IS NOT NULL AND ({KEY_HOLDS}) GROUP BY lane, key) AS held",
    (RowRule("I11", "'jobs ' || held.first || ' and ' || held.last || ' have one key'", "held.holders > 1"),),
)
ERRORS = RowChecks(
    "(SELECT job_id, count(*) AS errors, min(attempt) AS first, max(attempt) AS last FROM job_error GROUP BY job_id)"
    " AS kept JOIN job ON job.id = kept.job_id",
    (
        about_job(
            "I5", "has an error of an attempt that it may not have", "kept.first < 1 OR kept.last > max_attempts"
        ),
        about_job("I5", "has more errors than it was claimed", "kept.errors > job.token"),
    ),
)
DOCUMENTS = RowChecks(
    "document JOIN job ON job.id = document.job_id",
    (
        RowRule(
            "I15", "'the document of job ' || job.id || ' is of another run'", "document.parent_id IS NOT job.parent_id"
        ),
        about_job("I12", "left a document and was never claimed", "job.token = 0"),
    ),
)
LOGS = RowChecks(
    "job_log JOIN job ON job.id = job_log.job_id",
    (
        RowRule(
            "line",
            "'line ' || job_log.id || ' of the log of job ' || job.id || ' names another root'",
            "job_log.root_id <> iif(job.root_id = 0, job.id, job.root_id)",
        ),
    ),
)
NUMBERS = RowChecks(
    "(SELECT max(id) AS newest FROM job) AS made",
    (
        RowRule(
            "line",
            "'the next job gets the number of job ' || made.newest",
            "made.newest > (SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'job')",
        ),
    ),
)
PAUSES = RowChecks(
    "pause",
    (
        RowRule(
            "line",
            "'run ' || pause.name || ' is paused and is not there'",
            "pause.scope = 'run' AND CAST(pause.name AS INTEGER) NOT IN (SELECT id FROM job)",
        ),
    ),
)
CREDENTIALS = RowChecks(
    "credential LEFT JOIN former_credential AS former USING (auth_id)",
    (
        RowRule(
            "I16",
            "'credential ' || auth_id || ' is not sealed'",
            f"length(nonce) <> {NONCE_BYTES} OR length(ciphertext) < {TAG_BYTES}",
        ),
        RowRule(
            "I16",
            "'credential ' || auth_id || ' has the nonce of another'",
            "(key_id, nonce) IN (SELECT key_id, nonce FROM credential GROUP BY 1, 2 HAVING count(*) > 1)",
        ),
        RowRule(
            "I16",
            "'credential ' || auth_id || ' has a version that it had before'",
            "credential.version <= former.version",
        ),
    ),
)
SCHEDULES = RowChecks(
    "schedule",
    (
        RowRule(
            "I20",
            "'schedule ' || schedule.name || ' would use its last fire time again'",
            "schedule.last_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM"
            " json_each(iif(json_valid(schedule.used_json), schedule.used_json, '[]'))"
            " WHERE schedule.last_at BETWEEN value ->> 0 AND value ->> 1)",
        ),
    ),
)
ROW_CHECKS = (
    JOBS,
    PARENTS,
    CHILDREN,
    TALLIES,
    COUNTERS,
    KEYS,
    ERRORS,
    DOCUMENTS,
    LOGS,
    NUMBERS,
    PAUSES,
    CREDENTIALS,
    SCHEDULES,
)

# What an engine that runs does not leave as it is; ?1 is now.
UNDONE_JOBS = RowChecks(
    "job",
    (
        about_job("I3", "has a lease that is over", "job.state = 1 AND job.lease_until <= ?1"),
        about_job("I9", "has not ended and its time is over", "job.state < 3 AND job.deadline_at <= ?1"),
    ),
)
UNDONE_SCHEDULES = RowChecks(
    "schedule",
    (
        RowRule(
            "I20",
            "'schedule ' || schedule.name || ' has not fired'",
            "schedule.is_paused = 0 AND schedule.fault IS NULL AND schedule.next_at <= ?1",
        ),
    ),
)

# What takes longest, and so is left out of a quick look: by table its name for a row, and the columns that hold JSON.
JSON_COLUMNS = {
    ("job", "id"): (
        "config_json",
        "metadata_json",
        "tags_json",
        "error_json",
        "progress_json",
        "result_json",
        "follow_up_json",
    ),
    ("job_log", "id"): ("fields_json",),
    ("job_error", "id"): ("error_json",),
    ("definition", "id"): ("body_json",),
    ("pruned", "job_id"): ("job_json",),
    ("schedule", "name"): ("job_json", "rule_json", "used_json"),
    ("credential", "auth_id"): ("sites_json",),
}
JSON_CHECKS = tuple(
    RowChecks(
        table,
        tuple(
            RowRule(
                "JSON",
                f"'{column} of row ' || {name} || ' of {table} is no JSON'",
                f"{column} IS NOT NULL AND NOT json_valid({column})",
            )
            for column in columns
        ),
    )
    for (table, name), columns in JSON_COLUMNS.items()
)
