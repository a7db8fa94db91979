//! The `ring` table: a tenant's numbers, as of the last time that rows were sealed.

use rusqlite::{Connection, OptionalExtension, Row, params};
use weir_flow::TenantId;

use crate::tail::{Heads, Tail};

/// Rings in a store. Tenants are made by the administrator; this bounds the work of one trim.
pub const MAX_RINGS: u32 = 256;

/// Bits of a block's key that hold its first row.
pub(crate) const ROW_BITS: u32 = 48;
pub(crate) const ROW_MASK: i64 = (1 << ROW_BITS) - 1;

/// A ring as a commit, a trim or a read finds it.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    pub(crate) ring: i64,
    pub(crate) ring_id: String,
    /// The number of the row after the sealed ones, which is the first of the tail.
    pub(crate) next_row: u64,
    /// Of the newest sealed row, in milliseconds; also when that row is trimmed.
    pub(crate) processed_at: i64,
    /// Bytes of its sealed blocks.
    pub(crate) bytes: u64,
    /// The tenant's own limits.
    pub(crate) retention_days: Option<u32>,
    pub(crate) budget_bytes: Option<u64>,
}

const COLUMNS: &str = "ring, ring_id, next_row, processed_at, bytes, retention_days, budget_bytes";

impl Ring {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            ring: row.get(0)?,
            ring_id: row.get(1)?,
            next_row: unsigned(row, 2)?,
            processed_at: row.get(3)?,
            bytes: unsigned(row, 4)?,
            retention_days: row.get(5)?,
            budget_bytes: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
        })
    }

    /// The ring of `tenant`, if it has one.
    pub(crate) fn find(db: &Connection, tenant: &TenantId) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM ring WHERE tenant = ?1");
        db.prepare_cached(&sql)?.query_row([tenant.as_str()], Self::from_row).optional()
    }

    /// The ring with this number, if there is one.
    pub(crate) fn numbered(db: &Connection, ring: i64) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM ring WHERE ring = ?1");
        db.prepare_cached(&sql)?.query_row([ring], Self::from_row).optional()
    }

    /// Makes the ring of `tenant`; none when there are [`MAX_RINGS`].
    pub(crate) fn create(db: &Connection, tenant: &TenantId, now_ms: i64) -> rusqlite::Result<Option<Self>> {
        db.execute(
            "INSERT INTO ring (tenant, processed_at, created_at)
             SELECT ?1, ?2, ?2 WHERE (SELECT count(*) FROM ring) < ?3",
            params![tenant.as_str(), now_ms, MAX_RINGS],
        )?;
        Self::find(db, tenant)
    }

    /// All rings, in the order in which they were made.
    pub(crate) fn all(db: &Connection) -> rusqlite::Result<Vec<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM ring ORDER BY ring");
        db.prepare_cached(&sql)?.query_map([], Self::from_row)?.collect()
    }

    /// Stores what a commit changed.
    pub(crate) fn save(&self, db: &Connection) -> rusqlite::Result<()> {
        db.prepare_cached("UPDATE ring SET next_row = ?2, processed_at = ?3, bytes = ?4 WHERE ring = ?1")?
            .execute(params![self.ring, signed(self.next_row), self.processed_at, signed(self.bytes)])?;
        Ok(())
    }

    /// When the oldest sealed row was stored, milliseconds.
    pub(crate) fn first_processed_at(&self, db: &Connection) -> rusqlite::Result<Option<i64>> {
        let (low, high) = self.keys();
        db.prepare_cached(
            "SELECT first_processed_at FROM summary WHERE block BETWEEN ?1 AND ?2 ORDER BY block LIMIT 1",
        )?
        .query_row([low, high], |row| row.get(0))
        .optional()
    }

    /// Key of the block that starts with `row`.
    pub(crate) const fn key(&self, row: u64) -> i64 {
        let row = if row > ROW_MASK.unsigned_abs() { ROW_MASK } else { row.cast_signed() };
        self.ring << ROW_BITS | row
    }

    /// First and last key that a block of this ring can have.
    pub(crate) const fn keys(&self) -> (i64, i64) {
        (self.key(0), self.key(u64::MAX))
    }

    /// The number that the next row gets, its tail counted, and when the newest row was stored. Call it within the
    /// transaction that read the ring.
    pub(crate) fn newest(&self, db: &Connection) -> rusqlite::Result<(u64, i64)> {
        Ok(Heads::newest(Tail::heads(db, self)?.as_ref(), self))
    }

    /// First row of the oldest sealed block, which is `next_row` where there is none.
    pub(crate) fn first_row(&self, db: &Connection) -> rusqlite::Result<u64> {
        let (low, high) = self.keys();
        let oldest: Option<i64> = db
            .prepare_cached("SELECT min(block) FROM block WHERE block BETWEEN ?1 AND ?2")?
            .query_row([low, high], |row| row.get(0))?;
        Ok(oldest.map_or(self.next_row, first_row_of))
    }
}

/// Rows of `ring` from `first_row` on that were lost with damaged blocks.
pub(crate) fn lost_rows(db: &Connection, ring: &Ring, first_row: u64) -> rusqlite::Result<u64> {
    let (low, high) = (ring.key(first_row), ring.keys().1);
    db.prepare_cached("SELECT coalesce(sum(count), 0) FROM damage WHERE block BETWEEN ?1 AND ?2")?
        .query_row([low, high], |row| unsigned(row, 0))
}

/// First row of the block with this key.
pub(crate) const fn first_row_of(block: i64) -> u64 {
    (block & ROW_MASK).unsigned_abs()
}

/// A count as SQLite stores it; what no counter reaches is cut.
pub(crate) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A column that holds a count.
pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
