-- From version 2 to version 3.

-- Whether the last writer closed the store in order: if not, the next one looks at what it may have left unfinished.
ALTER TABLE store ADD COLUMN closed INTEGER NOT NULL DEFAULT 0;

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
