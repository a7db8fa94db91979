-- From version 1 to version 2.

-- Answers to requests that must not be done twice, in the transaction of the records that they brought.
CREATE TABLE receipt (
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    route TEXT NOT NULL,
    -- The client's Idempotency-Key.
    header TEXT NOT NULL,
    -- SHA-256 of the request's body.
    body_hash BLOB NOT NULL,
    status INTEGER NOT NULL,
    answer TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (tenant, key_id, route, header)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipt_age ON receipt (given_at);

-- Records that could not be stored, and rows that an output refused for good. Numbers are not used again.
CREATE TABLE dead_letter (
    dead_letter INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    -- `ring`, or the name of an output.
    destination TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- What the destination answered last; NULL where it does not speak HTTP.
    last_status INTEGER,
    retry_count INTEGER NOT NULL DEFAULT 0,
    -- The rows of the tenant's ring that the letter stands for; NULL where the payload is all there is.
    first_row INTEGER,
    last_row INTEGER,
    -- Records that the letter stands for: its rows, or the one of the payload.
    events INTEGER NOT NULL GENERATED ALWAYS AS (coalesce(last_row - first_row, 0) + 1) VIRTUAL,
    -- Octets of the payload, known without reading it.
    bytes INTEGER NOT NULL GENERATED ALWAYS AS (length(CAST(payload AS BLOB))) STORED,
    -- The record as a JSON object; empty where rows are named.
    payload TEXT NOT NULL
) STRICT;
CREATE INDEX dead_letter_of ON dead_letter (tenant, destination);
CREATE INDEX dead_letter_age ON dead_letter (at);

-- Sums of the dead letters, so that their bound costs a commit no look at all of them.
CREATE TABLE dead_letter_sum (
    tenant TEXT NOT NULL,
    destination TEXT NOT NULL,
    letters INTEGER NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (tenant, destination)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER dead_letter_added AFTER INSERT ON dead_letter BEGIN
    INSERT INTO dead_letter_sum (tenant, destination, letters, events, bytes)
    VALUES (new.tenant, new.destination, 1, new.events, new.bytes)
    ON CONFLICT DO UPDATE
    SET letters = letters + 1, events = events + excluded.events, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER dead_letter_removed AFTER DELETE ON dead_letter BEGIN
    UPDATE dead_letter_sum SET letters = letters - 1, events = events - old.events, bytes = bytes - old.bytes
    WHERE tenant = old.tenant AND destination = old.destination;
    DELETE FROM dead_letter_sum
    WHERE tenant = old.tenant AND destination = old.destination AND letters = 0;
END;

-- Outputs as they were set over the API.
CREATE TABLE output (
    output TEXT PRIMARY KEY NOT NULL,
    -- A JSON object.
    settings TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Tenants beside the default one.
CREATE TABLE tenant (
    tenant TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
