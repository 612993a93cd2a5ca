-- The tables of the first release. Never edited once released; a later change is a later number.
-- States are positions in engine.records.STATES: 0 pending, 1 running, 2 waiting, 3 completed, 4 failed, 5 cancelled.

CREATE TABLE engine (
    only_row      INTEGER PRIMARY KEY CHECK (only_row = 1),
    database_id   TEXT NOT NULL,            -- part of what every sealed record is bound to
    created_at    REAL NOT NULL,
    clock_jumps   INTEGER NOT NULL          -- that the leases followed, by this owner and those before
) STRICT;

CREATE TABLE definition (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    version       INTEGER NOT NULL CHECK (version >= 1),
    digest        TEXT NOT NULL,            -- of the canonical JSON
    body_json     TEXT NOT NULL,
    created_at    REAL NOT NULL,
    UNIQUE (name, version),
    UNIQUE (name, digest)
) STRICT;

CREATE TABLE job (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice
    parent_id          INTEGER REFERENCES job (id) ON DELETE CASCADE,
    lane               INTEGER GENERATED ALWAYS AS (ifnull(parent_id, 0)) VIRTUAL,   -- what takes turns at a claim
    root_id            INTEGER NOT NULL,                     -- the ancestor without a parent; 0 for a job without one
    definition_id      INTEGER REFERENCES definition (id),
    queue              TEXT NOT NULL,
    kind               TEXT NOT NULL,
    partition          TEXT NOT NULL,                        -- within a lane partitions take turns too; '' for most
    state              INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
    is_due             INTEGER NOT NULL CHECK (is_due IN (0, 1)),   -- 0 while pending until run_at
    priority           INTEGER NOT NULL,
    attempts           INTEGER NOT NULL,
    max_attempts       INTEGER NOT NULL CHECK (max_attempts >= 1),
    token              INTEGER NOT NULL,                     -- grows by one with each claim
    sealed             INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    made_waiting       INTEGER NOT NULL CHECK (made_waiting IN (0, 1)),      -- as a parent, with no handler to run first
    own_step           INTEGER NOT NULL CHECK (own_step BETWEEN 0 AND 3),   -- engine.records.OwnStep
    on_failure         INTEGER NOT NULL CHECK (on_failure BETWEEN 0 AND 3),   -- engine.records.OnFailure
    key_scope          INTEGER NOT NULL CHECK (key_scope BETWEEN 0 AND 4),   -- engine.records.KEY_SCOPES; 4 has lapsed
    key                TEXT CHECK (length(key) BETWEEN 1 AND 255),
    key_until          REAL,                                 -- of a key that is held for a period
    child_limit        INTEGER CHECK (child_limit >= 0),
    child_concurrency  INTEGER CHECK (child_concurrency >= 1),
    max_child_failures ANY CHECK (max_child_failures >= 0),  -- an integer counts, a real is a share
    timeout_s          REAL CHECK (timeout_s > 0),           -- of one attempt
    run_timeout_s      REAL CHECK (run_timeout_s > 0),       -- of all attempts and all below it
    run_at             REAL NOT NULL,                        -- this and the times below: seconds since the epoch
    created_at         REAL NOT NULL,
    lease_until        REAL,
    started_at         REAL,
    finished_at        REAL,
    deadline_at        REAL,                                 -- it and all below it must have ended by then
    waits_for          TEXT,                                 -- the auth_id that a waiting page needs
    config_json        TEXT NOT NULL,
    metadata_json      TEXT NOT NULL,
    tags_json          TEXT,
    error_json         TEXT,
    progress_json      TEXT,
    result_json        TEXT,
    follow_up_json     TEXT,                                 -- the job to make when this one has ended
    CHECK (attempts BETWEEN 0 AND max_attempts),             -- I5
    CHECK ((state = 1) = (lease_until IS NOT NULL)),         -- I3
    CHECK ((state >= 3) = (finished_at IS NOT NULL)),
    CHECK (waits_for IS NULL OR state = 2),
    CHECK (key_scope = 0 OR key IS NOT NULL),
    CHECK ((key_scope IN (3, 4)) = (key_until IS NOT NULL)),
    CHECK ((run_timeout_s IS NULL) = (deadline_at IS NULL))
) STRICT;

-- I11 and I15: a key names one job among the children of one parent: for ever, while it is unfinished, until it is
-- first claimed, or for a period.
CREATE UNIQUE INDEX job_key ON job (lane, key) WHERE key IS NOT NULL AND (
    key_scope = 0 OR key_scope = 1 AND state < 3 OR key_scope = 2 AND token = 0 AND state < 3 OR key_scope = 3);
CREATE INDEX job_period ON job (key_until) WHERE key_scope = 3;
CREATE INDEX job_ready ON job (queue, kind, lane, partition, priority DESC, id) WHERE state = 0 AND is_due = 1;
CREATE INDEX job_scheduled ON job (run_at) WHERE state = 0 AND is_due = 0;
CREATE INDEX job_lease ON job (lease_until) WHERE state = 1;
CREATE INDEX job_deadline ON job (deadline_at) WHERE deadline_at IS NOT NULL AND state < 3;
CREATE INDEX job_waits_for ON job (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_follow_up ON job (id) WHERE follow_up_json IS NOT NULL;
CREATE INDEX job_ended ON job (kind, state, finished_at) WHERE parent_id IS NULL AND state >= 3;   -- for retention
CREATE INDEX job_waiting ON job (parent_id, kind) WHERE state = 2 AND waits_for IS NULL;

-- I13: how many children a job has in each state, kept by the triggers below. The last three are among the failed:
-- those that do not count, those that fail their parent, and those that let it go on.
CREATE TABLE tally (
    parent_id  INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    pending    INTEGER NOT NULL,
    running    INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    completed  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    cancelled  INTEGER NOT NULL,
    ignored    INTEGER NOT NULL,
    fatal      INTEGER NOT NULL,
    passed     INTEGER NOT NULL
) STRICT;

CREATE TRIGGER tally_insert AFTER INSERT ON job WHEN new.parent_id IS NOT NULL
BEGIN
    INSERT INTO tally VALUES (new.parent_id, new.state = 0, new.state = 1, new.state = 2,
                              new.state = 3, new.state = 4, new.state = 5, new.state = 4 AND new.on_failure = 1,
                              new.state = 4 AND new.on_failure = 2, new.state = 4 AND new.on_failure = 3)
    ON CONFLICT DO UPDATE SET
        pending = pending + excluded.pending, running = running + excluded.running,
        waiting = waiting + excluded.waiting, completed = completed + excluded.completed,
        failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled,
        ignored = ignored + excluded.ignored, fatal = fatal + excluded.fatal, passed = passed + excluded.passed;
END;

CREATE TRIGGER tally_update AFTER UPDATE OF state ON job
WHEN new.parent_id IS NOT NULL AND new.state <> old.state
BEGIN
    UPDATE tally SET
        pending = pending + (new.state = 0) - (old.state = 0),
        running = running + (new.state = 1) - (old.state = 1),
        waiting = waiting + (new.state = 2) - (old.state = 2),
        completed = completed + (new.state = 3) - (old.state = 3),
        failed = failed + (new.state = 4) - (old.state = 4),
        cancelled = cancelled + (new.state = 5) - (old.state = 5),
        ignored = ignored + ((new.state = 4) - (old.state = 4)) * (new.on_failure = 1),
        fatal = fatal + ((new.state = 4) - (old.state = 4)) * (new.on_failure = 2),
        passed = passed + ((new.state = 4) - (old.state = 4)) * (new.on_failure = 3)
    WHERE parent_id = new.parent_id;
END;

CREATE TRIGGER tally_delete AFTER DELETE ON job WHEN old.parent_id IS NOT NULL
BEGIN
    UPDATE tally SET
        pending = pending - (old.state = 0), running = running - (old.state = 1),
        waiting = waiting - (old.state = 2), completed = completed - (old.state = 3),
        failed = failed - (old.state = 4), cancelled = cancelled - (old.state = 5),
        ignored = ignored - (old.state = 4 AND old.on_failure = 1),
        fatal = fatal - (old.state = 4 AND old.on_failure = 2),
        passed = passed - (old.state = 4 AND old.on_failure = 3)
    WHERE parent_id = old.parent_id;
END;

-- I13: how many jobs a queue has of each kind in each state, written once for each group.
CREATE TABLE stat (
    queue      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    pending    INTEGER NOT NULL,
    running    INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    completed  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    cancelled  INTEGER NOT NULL,
    PRIMARY KEY (queue, kind)
) STRICT, WITHOUT ROWID;

-- What starts no job until it is resumed.
CREATE TABLE pause (
    scope      TEXT NOT NULL CHECK (scope IN ('all', 'queue', 'kind', 'run')),
    name       TEXT NOT NULL,
    paused_at  REAL NOT NULL,
    PRIMARY KEY (scope, name)
) STRICT, WITHOUT ROWID;

-- The token buckets of rate limits.
CREATE TABLE bucket (
    name       TEXT PRIMARY KEY,
    tokens     REAL NOT NULL,
    filled_at  REAL NOT NULL,
    full_at    REAL NOT NULL                -- from then on it need not be kept
) STRICT, WITHOUT ROWID;
CREATE INDEX bucket_full ON bucket (full_at);

-- What makes jobs at its times; see engine.schedules. Times are seconds since the epoch.
CREATE TABLE schedule (
    name            TEXT PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    definition_id   INTEGER REFERENCES definition (id),   -- of the runs that it makes
    job_json        TEXT NOT NULL,                        -- the engine.records.NewJob that it makes
    rule_json       TEXT NOT NULL,                        -- an engine.fire_times.Rule
    catch_up        TEXT NOT NULL CHECK (catch_up IN ('skip', 'once', 'all')),
    catch_up_limit  INTEGER NOT NULL CHECK (catch_up_limit >= 1),
    overlap         TEXT NOT NULL CHECK (overlap IN ('allow', 'skip', 'queue')),
    is_paused       INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
    seen_at         REAL NOT NULL,                        -- a clock that stands before it was set back
    next_at         REAL,
    last_at         REAL,
    last_job_id     INTEGER,                              -- perhaps of a job that was deleted since
    queued_at       REAL,                                 -- a fire time that runs once that job has ended
    used_json       TEXT NOT NULL,                        -- spans of fire times that have made a job
    fault           TEXT                                  -- why it cannot fire
) STRICT;
CREATE INDEX schedule_next ON schedule (next_at) WHERE is_paused = 0 AND fault IS NULL;

-- I2: the table of transitions of engine.records; a digit pair is from-to, and a test compares the two. The guards come
-- after the update and undo it, because a BEFORE trigger makes every update of a state read all of the row once more.
CREATE TRIGGER job_transition AFTER UPDATE OF state ON job
WHEN new.state <> old.state
 AND instr(' 01 04 05 10 12 13 14 15 20 23 24 25 30 32 40 42 50 52 ', ' ' || old.state || new.state || ' ') = 0
BEGIN
    SELECT RAISE(ABORT, 'transition not allowed');
END;

-- I9: a parent ends well or badly only when it is sealed and all its children are final.
CREATE TRIGGER job_final AFTER UPDATE OF state ON job
WHEN old.state IN (0, 2) AND new.state IN (3, 4)
BEGIN
    SELECT RAISE(ABORT, 'parent is not sealed') WHERE old.sealed = 0;
    SELECT RAISE(ABORT, 'own step is not done') WHERE new.state = 3 AND old.own_step = 1;
    SELECT RAISE(ABORT, 'children are not final')
    FROM tally WHERE parent_id = old.id AND pending + running + waiting > 0;
END;

-- What each attempt that did not succeed said.
CREATE TABLE job_error (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id        INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    attempt       INTEGER NOT NULL,
    at            REAL NOT NULL,
    error_json    TEXT NOT NULL
) STRICT;
CREATE INDEX job_error_job ON job_error (job_id);

CREATE TABLE document (
    job_id      INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    parent_id   INTEGER NOT NULL,
    url_key     TEXT NOT NULL,
    url         TEXT NOT NULL,
    status      INTEGER NOT NULL CHECK (status BETWEEN 100 AND 399),
    title       TEXT NOT NULL,
    markdown    TEXT NOT NULL,
    depth       INTEGER NOT NULL CHECK (depth >= 0),
    auth_id     TEXT,
    fetched_at  REAL NOT NULL,
    UNIQUE (parent_id, url_key)             -- I15
) STRICT;

CREATE TABLE job_log (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,          -- grows with each commit, so it is a cursor
    job_id       INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    root_id      INTEGER NOT NULL DEFAULT 0,                 -- the job's root, or itself
    at           REAL NOT NULL,
    level        TEXT NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR')),
    message      TEXT NOT NULL,
    fields_json  TEXT NOT NULL
) STRICT;
CREATE INDEX job_log_job ON job_log (job_id);
CREATE INDEX job_log_root ON job_log (root_id);

-- Jobs that were pruned and have left the job table: what is still to be archived and deleted of them. Rows of job,
-- job_log, job_error and document may refer to them until that is done.
CREATE TABLE pruned (
    job_id     INTEGER PRIMARY KEY,
    archive    TEXT,                         -- the file that it is written to before it is deleted
    job_json   TEXT                          -- its record; NULL once that is archived and more is left
) STRICT;

CREATE TABLE credential (
    auth_id        TEXT PRIMARY KEY,
    version        INTEGER NOT NULL CHECK (version >= 1),
    key_id         TEXT NOT NULL,
    nonce          BLOB NOT NULL,
    ciphertext     BLOB NOT NULL,
    sites_json     TEXT NOT NULL,
    updated_at     REAL NOT NULL,
    put_version    INTEGER NOT NULL CHECK (put_version BETWEEN 1 AND version),   -- those after it only refresh it
    failed_logins  INTEGER NOT NULL CHECK (failed_logins >= 0)   -- in a row, also those not yet known to have worked
) STRICT, WITHOUT ROWID;

-- The newest version of a removed credential, so that one put under its name later does not repeat a version.
CREATE TABLE former_credential (
    auth_id     TEXT PRIMARY KEY,
    version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
