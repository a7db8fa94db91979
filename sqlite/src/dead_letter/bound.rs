//! The bounds of dead letters: number, octets and age.

use rusqlite::{Connection, Params, params};

use super::{MAX_DEAD_LETTERS, MAX_LETTER_BYTES, delete};
use crate::ring::unsigned;
use crate::trim::{AHEAD_MS, CLOCK_FLOOR, DAY_MS};

/// Letters take at most this part of what the store may take, so that they never push all rows out.
const BUDGET_SHARE: u64 = 8;
/// One letter takes at most this part, so that a commit has room for it beside rows.
const LETTER_SHARE: u64 = 16;
/// Letters that one piece of work deletes at most, and their octets: commits wait meanwhile.
pub(super) const PIECE_LETTERS: i64 = 1_000;
const PIECE_BYTES: u64 = 8 << 20;

/// What letters may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    bytes: u64,
    longest: usize,
}

/// What a look at the bounds removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expired {
    pub(crate) letters: u64,
    pub(crate) more: bool,
}

impl Bound {
    /// `wanted` octets, as far as `ceiling`, what the whole store may take, has room for them.
    pub(crate) fn new(wanted: u64, ceiling: u64) -> Self {
        let longest = usize::try_from(ceiling / LETTER_SHARE)
            .map_or(MAX_LETTER_BYTES, |share| share.min(MAX_LETTER_BYTES));
        Self { bytes: wanted.min(ceiling / BUDGET_SHARE), longest }
    }

    /// Octets that one letter may have.
    pub(crate) const fn longest(self) -> usize {
        self.longest
    }

    /// Makes room for a letter of `bytes` octets. The largest group gives first, so that a flood to one destination or
    /// of one tenant does not push out the letters of another. Answers how many went; `None` when it can never fit.
    pub(super) fn make_room(self, db: &Connection, bytes: u64) -> rusqlite::Result<Option<u64>> {
        if bytes > self.bytes {
            return Ok(None);
        }
        let mut gone = 0;
        while let Some(largest) = self.exceeded(db, 1, bytes)? {
            let oldest = oldest_of(db, &largest, 1)?;
            gone += delete(db, oldest)?;
        }
        Ok(Some(gone))
    }

    /// Removes letters past their age, if `now_ms` is believed, and the oldest of the largest groups while there are too
    /// many. A bounded piece of work.
    pub(crate) fn enforce(
        self,
        db: &Connection,
        now_ms: Option<i64>,
        days: u32,
    ) -> rusqlite::Result<Expired> {
        let mut done = Expired::default();
        if let Some(now_ms) = now_ms {
            let aged = too_old(db, now_ms, now_ms.saturating_sub(i64::from(days) * DAY_MS))?;
            done.letters += delete(db, aged)?;
        }
        while done.letters < PIECE_LETTERS.unsigned_abs() {
            let Some(largest) = self.exceeded(db, 0, 0)? else { return Ok(done) };
            // In steps, so that it stops being the largest before another group becomes that.
            let oldest = oldest_of(db, &largest, STEP)?;
            done.letters += delete(db, oldest)?;
        }
        done.more = true;
        Ok(done)
    }

    /// The group that has to give when `letters` with `bytes` octets come to what there is; none within the bounds.
    fn exceeded(self, db: &Connection, letters: u64, bytes: u64) -> rusqlite::Result<Option<Group>> {
        let (all, octets) = totals(db)?;
        let order = match (octets + bytes > self.bytes, all + letters > MAX_DEAD_LETTERS) {
            (true, _) => "bytes",
            (false, true) => "letters",
            (false, false) => return Ok(None),
        };
        let sql = format!("SELECT tenant, destination FROM dead_letter_sum ORDER BY {order} DESC LIMIT 1");
        let mut statement = db.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        rows.next()?.map(|row| Ok(Group { tenant: row.get(0)?, destination: row.get(1)? })).transpose()
    }
}

/// Letters that a look at the bounds takes from a group before it asks again which one is the largest.
const STEP: i64 = 16;

struct Group {
    tenant: String,
    destination: String,
}

/// Letters, and octets of their payloads.
pub(super) fn totals(db: &Connection) -> rusqlite::Result<(u64, u64)> {
    db.prepare_cached("SELECT coalesce(sum(letters), 0), coalesce(sum(bytes), 0) FROM dead_letter_sum")?
        .query_row([], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

fn oldest_of(db: &Connection, group: &Group, limit: i64) -> rusqlite::Result<Vec<i64>> {
    db.prepare_cached(
        "SELECT dead_letter FROM dead_letter WHERE tenant = ?1 AND destination = ?2
         ORDER BY dead_letter LIMIT ?3",
    )?
    .query_map(params![group.tenant, group.destination, limit], |row| row.get(0))?
    .collect()
}

/// Letters that were written before `oldest`. As with rows, those of unknown age (stamped by a clock that was not set,
/// or by one that was ahead) go with the first letter after them whose age is known.
fn too_old(db: &Connection, now_ms: i64, oldest: i64) -> rusqlite::Result<Vec<i64>> {
    let last: Option<i64> = db
        .prepare_cached("SELECT max(dead_letter) FROM dead_letter WHERE at >= ?1 AND at < ?2")?
        .query_row([CLOCK_FLOOR.millis(), oldest], |row| row.get(0))?;
    let Some(last) = last else { return Ok(Vec::new()) };
    let sql = "SELECT dead_letter, bytes FROM dead_letter
         WHERE dead_letter <= ?1 AND (at < ?2 OR at > ?3) ORDER BY dead_letter LIMIT ?4";
    piece(db, sql, params![last, oldest, now_ms.saturating_add(AHEAD_MS), PIECE_LETTERS])
}

/// The letters that `sql` answers with their octets, as many as one piece of work deletes.
pub(super) fn piece(db: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<Vec<i64>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let (mut piece, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        piece.push(row.get(0)?);
        bytes += unsigned(row, 1)?;
        if bytes >= PIECE_BYTES {
            break;
        }
    }
    Ok(piece)
}
