-- The store as a fresh file has it. Instants are milliseconds since 1970-01-01T00:00:00Z.
-- A change here needs a step in schema.rs that brings older files to the same schema.

-- What the writer was last told to keep, for those who only read. One row.
CREATE TABLE store (
    store INTEGER PRIMARY KEY CHECK (store = 1),
    opened_at INTEGER NOT NULL,
    retention_days INTEGER NOT NULL,
    budget_bytes INTEGER NOT NULL,
    -- Whether the last writer closed the store in order: if not, the next one looks at what it may have left unfinished.
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A tenant's ring. Its rows are numbered from 1 without a gap; trimming removes the oldest.
CREATE TABLE ring (
    ring INTEGER PRIMARY KEY CHECK (ring BETWEEN 1 AND 32767),
    -- First half of every event id; random, so that no two stores ever give the same id.
    ring_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(8)))),
    tenant TEXT NOT NULL UNIQUE,
    -- The row after the sealed ones; the ring's tail goes on from there.
    next_row INTEGER NOT NULL DEFAULT 1,
    -- Of the newest sealed row, also when that row is trimmed: it never decreases.
    processed_at INTEGER NOT NULL,
    -- Sum of length(data) over the ring's blocks.
    bytes INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    -- The tenant's own limits; NULL means those of the store.
    retention_days INTEGER,
    budget_bytes INTEGER
) STRICT;

-- Sealed rows of one ring: those of many small commits, or a part of a large one.
CREATE TABLE block (
    -- ring << 48 | first_row: a ring's blocks lie together in row order and need no index.
    block INTEGER PRIMARY KEY,
    ring INTEGER NOT NULL GENERATED ALWAYS AS (block >> 48) VIRTUAL REFERENCES ring,
    first_row INTEGER NOT NULL GENERATED ALWAYS AS (block & 281474976710655) VIRTUAL,
    count INTEGER NOT NULL CHECK (count > 0),
    -- Of its last row.
    processed_at INTEGER NOT NULL,
    min_ts INTEGER NOT NULL,
    max_ts INTEGER NOT NULL,
    -- 3: a zstd frame with content checksum, of columns (block.rs).
    encoding INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    -- Last, so that the columns before it are read without its overflow pages.
    data BLOB NOT NULL
) STRICT;

-- Totals of the rows by the minute of their processed_at, and the way from a time to a row.
CREATE TABLE minute (
    ring INTEGER NOT NULL REFERENCES ring,
    -- processed_at / 60000, rounded down.
    minute INTEGER NOT NULL,
    flows INTEGER NOT NULL,
    -- Scaled by the sampling of each flow.
    packets INTEGER NOT NULL,
    octets INTEGER NOT NULL,
    threats INTEGER NOT NULL,
    risk_sum INTEGER NOT NULL,
    risk_count INTEGER NOT NULL,
    first_row INTEGER NOT NULL,
    PRIMARY KEY (ring, minute)
) STRICT, WITHOUT ROWID;

-- How far each input had read when the rows that it made were committed.
CREATE TABLE bookmark (
    input TEXT PRIMARY KEY NOT NULL,
    position TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The last row of a ring that each output has delivered.
CREATE TABLE cursor (
    ring INTEGER NOT NULL REFERENCES ring,
    output TEXT NOT NULL,
    row INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (ring, output)
) STRICT, WITHOUT ROWID;

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

-- The newest rows of a ring, one small block for each commit, until they are sealed together (tail.rs).
CREATE TABLE tail (
    ring INTEGER PRIMARY KEY REFERENCES ring,
    -- Its length never changes: a commit overwrites a few pages in place.
    data BLOB NOT NULL
) STRICT;

-- What a search has to know of a sealed block to pass it by; many to a page, unlike the blocks.
CREATE TABLE summary (
    -- Key of the block.
    block INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    -- Of its first and of its last row.
    first_processed_at INTEGER NOT NULL,
    processed_at INTEGER NOT NULL,
    -- Starts of its flows.
    min_ts INTEGER NOT NULL,
    max_ts INTEGER NOT NULL,
    -- The highest risk score; NULL where no row has one.
    max_risk INTEGER,
    -- Rows that an indicator matched.
    threats INTEGER NOT NULL,
    -- Filter of the addresses and their networks (filter.rs).
    addresses BLOB NOT NULL
) STRICT;

-- Filter of everything else that is searched for: ports, domains, countries, sources and so on (filter.rs).
CREATE TABLE terms (
    block INTEGER PRIMARY KEY,
    data BLOB NOT NULL
) STRICT;

-- Who and what had most of the traffic, by the hour of processed_at (hour.rs).
CREATE TABLE hour (
    -- ring << 48 | hours since 1970.
    hour INTEGER PRIMARY KEY,
    -- The last row that is counted; rows of the hour after it are counted where they are.
    through_row INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Bytes that the agent wrote to the device, by days since 1970.
CREATE TABLE wear (
    day INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;

-- Blocks that could not be read: rows that are gone from their ring without having been trimmed.
CREATE TABLE damage (
    -- Key that the block had.
    block INTEGER PRIMARY KEY,
    count INTEGER NOT NULL,
    found_at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    encoding INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    -- What was in the block, where it could be copied; for whoever looks into it.
    data BLOB
) STRICT;
