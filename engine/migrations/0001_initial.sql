-- The tables of the first release. Never edited once released; a later change is a later number.
-- States are positions in engine.records.STATES: 0 pending, 1 running, 2 waiting, 3 completed, 4 failed, 5 cancelled.

CREATE TABLE engine (
    only_row      INTEGER PRIMARY KEY CHECK (only_row = 1),
    database_id   TEXT NOT NULL,            -- part of what every sealed record is bound to
    created_at    REAL NOT NULL
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
    id                INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used twice
    parent_id         INTEGER REFERENCES job (id) ON DELETE CASCADE,
    definition_id     INTEGER REFERENCES definition (id),
    kind              TEXT NOT NULL,
    state             INTEGER NOT NULL CHECK (state BETWEEN 0 AND 5),
    is_due            INTEGER NOT NULL CHECK (is_due IN (0, 1)),   -- 0 while pending until run_at
    priority          INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    max_attempts      INTEGER NOT NULL CHECK (max_attempts >= 1),
    token             INTEGER NOT NULL,                    -- grows by one with each claim
    sealed            INTEGER NOT NULL CHECK (sealed IN (0, 1)),
    key_scope         INTEGER NOT NULL CHECK (key_scope IN (0, 1)),
    key               TEXT CHECK (length(key) BETWEEN 1 AND 255),
    child_limit       INTEGER CHECK (child_limit >= 0),
    child_concurrency INTEGER CHECK (child_concurrency >= 1),
    run_at            REAL NOT NULL,                       -- this and the times below: seconds since the epoch
    created_at        REAL NOT NULL,
    lease_until       REAL,
    started_at        REAL,
    finished_at       REAL,
    waits_for         TEXT,                                -- the auth_id that a waiting page needs
    config_json       TEXT NOT NULL,
    metadata_json     TEXT NOT NULL,
    error_json        TEXT,
    progress_json     TEXT,
    CHECK (attempts BETWEEN 0 AND max_attempts),           -- I5
    CHECK ((state = 1) = (lease_until IS NOT NULL)),       -- I3
    CHECK ((state >= 3) = (finished_at IS NOT NULL)),
    CHECK (waits_for IS NULL OR state = 2),
    CHECK (key_scope = 0 OR key IS NOT NULL)
) STRICT;

-- I11 and I15: a key names one job among the children of one parent, for ever or while it is unfinished.
CREATE UNIQUE INDEX job_key ON job (ifnull(parent_id, 0), key)
    WHERE key IS NOT NULL AND (key_scope = 0 OR state < 3);
CREATE INDEX job_ready ON job (parent_id, kind, priority DESC, id) WHERE state = 0 AND is_due = 1;
CREATE INDEX job_scheduled ON job (run_at) WHERE state = 0 AND is_due = 0;
CREATE INDEX job_lease ON job (lease_until) WHERE state = 1;
CREATE INDEX job_waits_for ON job (waits_for) WHERE waits_for IS NOT NULL;
CREATE INDEX job_parent ON job (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX job_open_root ON job (kind) WHERE parent_id IS NULL AND state = 2;

-- I13: how many children a job has in each state, kept by the triggers below.
CREATE TABLE tally (
    parent_id  INTEGER PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    pending    INTEGER NOT NULL,
    running    INTEGER NOT NULL,
    waiting    INTEGER NOT NULL,
    completed  INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    cancelled  INTEGER NOT NULL
) STRICT;
CREATE INDEX tally_pending ON tally (parent_id) WHERE pending > 0;

CREATE TRIGGER tally_insert AFTER INSERT ON job WHEN new.parent_id IS NOT NULL
BEGIN
    INSERT INTO tally VALUES (new.parent_id, new.state = 0, new.state = 1, new.state = 2,
                              new.state = 3, new.state = 4, new.state = 5)
    ON CONFLICT DO UPDATE SET
        pending = pending + excluded.pending, running = running + excluded.running,
        waiting = waiting + excluded.waiting, completed = completed + excluded.completed,
        failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled;
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
        cancelled = cancelled + (new.state = 5) - (old.state = 5)
    WHERE parent_id = new.parent_id;
END;

CREATE TRIGGER tally_delete AFTER DELETE ON job WHEN old.parent_id IS NOT NULL
BEGIN
    UPDATE tally SET
        pending = pending - (old.state = 0), running = running - (old.state = 1),
        waiting = waiting - (old.state = 2), completed = completed - (old.state = 3),
        failed = failed - (old.state = 4), cancelled = cancelled - (old.state = 5)
    WHERE parent_id = old.parent_id;
END;

-- I2: the table of transitions of engine.records; a digit pair is from-to, and a test compares the two.
CREATE TRIGGER job_transition BEFORE UPDATE OF state ON job
WHEN new.state <> old.state
 AND instr(' 01 05 10 12 13 14 15 20 23 24 25 ', ' ' || old.state || new.state || ' ') = 0
BEGIN
    SELECT RAISE(FAIL, 'transition not allowed');
END;

-- I9: a parent ends well or badly only when it is sealed and all its children are final.
CREATE TRIGGER job_final BEFORE UPDATE OF state ON job
WHEN old.state = 2 AND new.state IN (3, 4)
BEGIN
    SELECT RAISE(FAIL, 'parent is not sealed') WHERE old.sealed = 0;
    SELECT RAISE(FAIL, 'children are not final')
    FROM tally WHERE parent_id = old.id AND pending + running + waiting > 0;
END;

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
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id       INTEGER NOT NULL REFERENCES job (id) ON DELETE CASCADE,
    at           REAL NOT NULL,
    level        TEXT NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR')),
    message      TEXT NOT NULL,
    fields_json  TEXT NOT NULL
) STRICT;
CREATE INDEX job_log_job ON job_log (job_id);

CREATE TABLE credential (
    auth_id     TEXT PRIMARY KEY,
    version     INTEGER NOT NULL CHECK (version >= 1),
    key_id      TEXT NOT NULL,
    nonce       BLOB NOT NULL,
    ciphertext  BLOB NOT NULL,
    sites_json  TEXT NOT NULL,
    updated_at  REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- The newest version of a removed credential, so that one put under its name later does not repeat a version.
CREATE TABLE former_credential (
    auth_id     TEXT PRIMARY KEY,
    version     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
