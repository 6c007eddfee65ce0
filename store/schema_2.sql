-- Version 2: what flap damping knows outlives the daemon; a degraded endpoint works.

ALTER TABLE endpoints ADD COLUMN penalty REAL NOT NULL DEFAULT 0;   -- for changes of its state
ALTER TABLE endpoints ADD COLUMN penalty_at TEXT NOT NULL DEFAULT '';   -- when; it halves since

DROP VIEW available_targets;
CREATE VIEW available_targets AS
    SELECT app, target, address, state, since, reason, weight, updated_at
    FROM endpoints
    WHERE state IN ('available', 'failing', 'warming', 'degraded');

DROP VIEW unavailable_targets;
CREATE VIEW unavailable_targets AS
    SELECT app, target, address, state, since, reason, weight, updated_at
    FROM endpoints
    WHERE state NOT IN ('available', 'failing', 'warming', 'degraded');
