-- Version 1 of fproxy.db. Tables, views and columns are public: people and scripts query
-- them. A released version is never edited; a change is a new script and a new row in
-- migrations[] (schema.c). Times are UTC text, durations milliseconds.

CREATE TABLE config_generations (
    app         TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    status      TEXT    NOT NULL CHECK (status IN ('good', 'failed', 'superseded')),
    source      TEXT    NOT NULL,   -- the file it came from
    config      TEXT    NOT NULL,   -- canonical text
    hash        TEXT    NOT NULL,   -- SHA-256 of it, hex
    reason      TEXT    NOT NULL,   -- why it failed, else ''
    created_at  TEXT    NOT NULL,
    PRIMARY KEY (app, generation)
) STRICT;

CREATE UNIQUE INDEX config_generations_good ON config_generations (app)
    WHERE status = 'good';

CREATE VIEW last_good_config AS
    SELECT app, generation, source, config, hash, created_at
    FROM config_generations
    WHERE status = 'good';

-- The last good of what holds for all apps.
CREATE TABLE config_groups (
    name        TEXT    NOT NULL PRIMARY KEY,   -- daemon, defaults
    source      TEXT    NOT NULL,
    config      TEXT    NOT NULL,
    hash        TEXT    NOT NULL,
    created_at  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dns_cache (
    name        TEXT    NOT NULL,
    type        TEXT    NOT NULL,   -- A, AAAA, SRV
    address     TEXT    NOT NULL,   -- '' unless status is ok; SRV: priority weight port host
    ttl_s       INTEGER NOT NULL,   -- as it came, before clamping
    resolved_at TEXT    NOT NULL,
    expires_at  TEXT    NOT NULL,
    status      TEXT    NOT NULL,   -- ok, nxdomain, empty
    PRIMARY KEY (name, type, address)
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoints (
    app         TEXT    NOT NULL,
    target      TEXT    NOT NULL,   -- what the configuration names
    address     TEXT    NOT NULL,   -- one resolved ip:port of it, '' when unresolved
    state       TEXT    NOT NULL,
    since       TEXT    NOT NULL,   -- in this state
    reason      TEXT    NOT NULL,
    weight      INTEGER NOT NULL,
    updated_at  TEXT    NOT NULL,   -- last confirmed, at least once a minute while probed
    PRIMARY KEY (app, target, address)
) STRICT, WITHOUT ROWID;

CREATE VIEW available_targets AS
    SELECT app, target, address, state, since, reason, weight, updated_at
    FROM endpoints
    WHERE state IN ('available', 'failing', 'warming');

CREATE VIEW unavailable_targets AS
    SELECT app, target, address, state, since, reason, weight, updated_at
    FROM endpoints
    WHERE state NOT IN ('available', 'failing', 'warming');

CREATE TABLE transitions (
    id          INTEGER PRIMARY KEY,
    at          TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    from_state  TEXT    NOT NULL,
    to_state    TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX transitions_app ON transitions (app, target, at);
CREATE INDEX transitions_at ON transitions (at);

-- Every failure, every change of outcome, one success a minute; see probe_summary.
CREATE TABLE probe_results (
    id          INTEGER PRIMARY KEY,
    at          TEXT    NOT NULL,
    app         TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    probe       TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,   -- ok, or a failure reason
    duration_ms REAL    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX probe_results_app ON probe_results (app, target, at);

-- Every probe, counted by the minute.
CREATE TABLE probe_summary (
    app         TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    address     TEXT    NOT NULL,
    probe       TEXT    NOT NULL,
    minute      TEXT    NOT NULL,   -- its begin
    runs        INTEGER NOT NULL,
    failures    INTEGER NOT NULL,
    p50_ms      REAL    NOT NULL,
    max_ms      REAL    NOT NULL,
    UNIQUE (app, target, address, probe, minute)
) STRICT;

CREATE TABLE rollouts (
    id              INTEGER PRIMARY KEY,
    app             TEXT    NOT NULL,
    from_generation INTEGER NOT NULL,   -- 0: the app is new
    to_generation   INTEGER NOT NULL,   -- 0: the app is removed
    outcome         TEXT,               -- done, failed, rolled_back; NULL while it runs
    reason          TEXT    NOT NULL,
    started_at      TEXT    NOT NULL,
    finished_at     TEXT,               -- NULL while it runs
    UNIQUE (app, started_at)
) STRICT;

CREATE TABLE crashes (
    id               INTEGER PRIMARY KEY,
    at               TEXT    NOT NULL,
    process          TEXT    NOT NULL,  -- worker, prober, supervisor
    app              TEXT,              -- NULL: it serves no single app
    pid              INTEGER NOT NULL,
    signal           INTEGER,           -- NULL: none, or not known
    exit_code        INTEGER,           -- NULL: none, or not known
    restart_delay_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    at          TEXT    NOT NULL,
    app         TEXT,                   -- NULL: concerns all of fproxy
    kind        TEXT    NOT NULL,
    level       TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    fields      TEXT                    -- a JSON object, or NULL
) STRICT;

CREATE INDEX events_app ON events (app, at);

-- What an operator drained or took out.
CREATE TABLE overrides (
    app         TEXT    NOT NULL,
    target      TEXT    NOT NULL,       -- '': the whole app
    action      TEXT    NOT NULL,
    since       TEXT    NOT NULL,
    note        TEXT    NOT NULL,
    PRIMARY KEY (app, target)
) STRICT, WITHOUT ROWID;
