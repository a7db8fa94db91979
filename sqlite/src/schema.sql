-- The store as a fresh file has it. Instants are milliseconds since 1970-01-01T00:00:00Z.
-- A change here needs a step in schema.rs that brings older files to the same schema.

-- What the writer was last told to keep, for those who only read. One row.
CREATE TABLE store (
    store INTEGER PRIMARY KEY CHECK (store = 1),
    opened_at INTEGER NOT NULL,
    retention_days INTEGER NOT NULL,
    budget_bytes INTEGER NOT NULL
) STRICT;

-- A tenant's ring. Its rows are numbered from 1 without a gap; trimming removes the oldest.
CREATE TABLE ring (
    ring INTEGER PRIMARY KEY CHECK (ring BETWEEN 1 AND 32767),
    -- First half of every event id; random, so that no two stores ever give the same id.
    ring_id TEXT NOT NULL UNIQUE DEFAULT (lower(hex(randomblob(8)))),
    tenant TEXT NOT NULL UNIQUE,
    next_row INTEGER NOT NULL DEFAULT 1,
    -- Of the newest row, also when that row is trimmed: it never decreases.
    processed_at INTEGER NOT NULL,
    -- Sum of length(data) over the ring's blocks.
    bytes INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    -- The tenant's own limits; NULL means those of the store.
    retention_days INTEGER,
    budget_bytes INTEGER
) STRICT;

-- The rows of one ring that one commit added, or a part of them.
CREATE TABLE block (
    -- ring << 48 | first_row: a ring's blocks lie together in row order and need no index.
    block INTEGER PRIMARY KEY,
    ring INTEGER NOT NULL GENERATED ALWAYS AS (block >> 48) VIRTUAL REFERENCES ring,
    first_row INTEGER NOT NULL GENERATED ALWAYS AS (block & 281474976710655) VIRTUAL,
    count INTEGER NOT NULL CHECK (count > 0),
    processed_at INTEGER NOT NULL,
    min_ts INTEGER NOT NULL,
    max_ts INTEGER NOT NULL,
    -- 1: a zstd frame with content checksum, of one JSON object and a line feed per row.
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
