//! How far an output has delivered a ring, and the dead letters about what it did not take.
//!
//! Rows are delivered in order. Behind the cursor lies what was delivered and, row by row in a dead letter, what the
//! receiver refused for good. In front of it lies at most one dead letter: the rows that the last attempts failed with.

use std::ops::RangeInclusive;

use rusqlite::{Connection, OptionalExtension as _, params};
use weir_flow::{TenantId, Timestamp};

use super::Control;
use crate::error::{Doing as _, Error};
use crate::ring::{Ring, signed, unsigned};

/// Rows that a receiver does not take, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The rows.
    pub rows: RangeInclusive<u64>,
    /// Why, for people.
    pub reason: String,
    /// Status of the receiver's last HTTP answer; none when there was none.
    pub last_status: Option<u16>,
    /// Attempts that were made, at least one.
    pub attempts: u32,
}

impl Control {
    /// The last row of the ring of `tenant` that `output` has delivered; 0 when it has delivered none.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn cursor(&self, tenant: &TenantId, output: &str) -> Result<u64, Error> {
        let found = match Ring::find(&self.db, tenant).doing("read", &self.path)? {
            Some(ring) => cursor(&self.db, ring.ring, output),
            None => Ok(0),
        };
        found.doing("read", &self.path)
    }

    /// Notes that `output` is done with `rows` of the ring of `tenant`: delivered, but for those `refused` for good.
    ///
    /// The cursor goes to their end, unless that would leave a gap before them; dead letters about them go, and each
    /// refused row gets one. All in one transaction, on the disk when it returns.
    ///
    /// # Errors
    /// [`Error::Full`], [`Error::Busy`], and what else the disk answers; nothing has changed then.
    pub fn settle(
        &mut self,
        tenant: &TenantId,
        output: &str,
        rows: RangeInclusive<u64>,
        refused: &[Undelivered],
        now: Timestamp,
    ) -> Result<(), Error> {
        self.wait_for_log(0)?;
        let Self { db, path, .. } = self;
        let write = |db: &mut Connection| {
            let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let Some(ring) = Ring::find(&tx, tenant)? else { return Ok(()) };
            let letters = Letters { db: &tx, tenant, output };
            letters.forget(&rows, refused)?;
            for one in refused {
                letters.put(one, now)?;
            }
            let before = cursor(&tx, ring.ring, output)?;
            let last = (*rows.end()).min(ring.newest(&tx)?.0.saturating_sub(1));
            if *rows.start() <= before.saturating_add(1) && last > before {
                tx.prepare_cached(
                    "REPLACE INTO cursor (ring, output, row, updated_at) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![ring.ring, output, signed(last), now.millis()])?;
            }
            tx.commit()
        };
        write(db).doing("change", path)
    }

    /// Notes that `output` could not deliver `failed` now. The cursor stays; a dead letter about rows that begin alike is
    /// brought up to date in place of a second one.
    ///
    /// # Errors
    /// As [`Control::settle`].
    pub fn fail(
        &mut self,
        tenant: &TenantId,
        output: &str,
        failed: &Undelivered,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.wait_for_log(0)?;
        let Self { db, path, .. } = self;
        let write = |db: &mut Connection| {
            let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            Letters { db: &tx, tenant, output }.put(failed, now)?;
            tx.commit()
        };
        write(db).doing("change", path)
    }
}

fn cursor(db: &Connection, ring: i64, output: &str) -> rusqlite::Result<u64> {
    db.prepare_cached("SELECT row FROM cursor WHERE ring = ?1 AND output = ?2")?
        .query_row(params![ring, output], |row| unsigned(row, 0))
        .optional()
        .map(Option::unwrap_or_default)
}

/// The dead letters of one output about one ring.
struct Letters<'a> {
    db: &'a Connection,
    tenant: &'a TenantId,
    output: &'a str,
}

impl Letters<'_> {
    /// Removes the letters about `rows`, but for those about a refused row; of a letter that goes on behind them that part
    /// stays.
    fn forget(&self, rows: &RangeInclusive<u64>, refused: &[Undelivered]) -> rusqlite::Result<()> {
        let (tenant, first, last) = (self.tenant.as_str(), signed(*rows.start()), signed(*rows.end()));
        let mut covered = self.db.prepare_cached(
            "SELECT dead_letter, first_row, last_row FROM dead_letter
             WHERE tenant = ?1 AND destination = ?2 AND first_row BETWEEN ?3 AND ?4",
        )?;
        let covered = covered.query_map(params![tenant, self.output, first, last], |row| {
            Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?, unsigned(row, 2)?))
        })?;
        for letter in covered.collect::<rusqlite::Result<Vec<_>>>()? {
            let (number, from, to) = letter;
            if signed(to) > last {
                self.db
                    .prepare_cached("UPDATE dead_letter SET first_row = ?2 WHERE dead_letter = ?1")?
                    .execute(params![number, last + 1])?;
            } else if !refused.iter().any(|one| one.rows == (from..=to)) {
                self.db
                    .prepare_cached("DELETE FROM dead_letter WHERE dead_letter = ?1")?
                    .execute([number])?;
            }
        }
        Ok(())
    }

    /// Writes a letter, or brings the one about rows that begin alike up to date.
    fn put(&self, what: &Undelivered, now: Timestamp) -> rusqlite::Result<()> {
        let (tenant, first, last) =
            (self.tenant.as_str(), signed(*what.rows.start()), signed(*what.rows.end()));
        let changed = self
            .db
            .prepare_cached(
                "UPDATE dead_letter SET last_row = ?4, reason = ?5, last_status = ?6,
                    retry_count = retry_count + ?7
                 WHERE tenant = ?1 AND destination = ?2 AND first_row = ?3",
            )?
            .execute(params![
                tenant,
                self.output,
                first,
                last,
                what.reason,
                what.last_status,
                what.attempts
            ])?;
        if changed == 0 {
            self.db
                .prepare_cached(
                    "INSERT INTO dead_letter
                        (at, tenant, destination, reason, last_status, retry_count, first_row, last_row, payload)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '')",
                )?
                .execute(params![
                    now.millis(),
                    tenant,
                    self.output,
                    what.reason,
                    what.last_status,
                    what.attempts.saturating_sub(1),
                    first,
                    last
                ])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{Batch, FlowRecord, TenantId, Timestamp};

    use super::Undelivered;
    use crate::{Config, Control, Writer};

    const OUTPUT: &str = "splunk_hec";

    struct Ring {
        control: Control,
        tenant: TenantId,
        _writer: Writer,
        _dir: tempfile::TempDir,
    }

    /// A ring of 100 rows.
    fn ring() -> Ring {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(dir.path(), &Config::default(), now()).unwrap();
        let batch = Batch { records: vec![FlowRecord::default(); 100], ..Batch::default() };
        writer.commit(&[batch], now()).unwrap();
        let control = Control::open(dir.path()).unwrap();
        Ring { control, tenant: TenantId::default(), _writer: writer, _dir: dir }
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn failure(rows: std::ops::RangeInclusive<u64>, attempts: u32) -> Undelivered {
        Undelivered { rows, reason: "HTTP 503".to_owned(), last_status: Some(503), attempts }
    }

    impl Ring {
        fn settle(&mut self, rows: std::ops::RangeInclusive<u64>, refused: &[Undelivered]) {
            self.control.settle(&self.tenant, OUTPUT, rows, refused, now()).unwrap();
        }

        fn fail(&mut self, failed: &Undelivered) {
            self.control.fail(&self.tenant, OUTPUT, failed, now()).unwrap();
        }

        fn cursor(&self) -> u64 {
            self.control.cursor(&self.tenant, OUTPUT).unwrap()
        }

        /// First row, last row and retries of each letter.
        fn letters(&self) -> Vec<(u64, u64, u32)> {
            let sql = "SELECT first_row, last_row, retry_count FROM dead_letter ORDER BY dead_letter";
            let mut letters = self.control.db.prepare(sql).unwrap();
            let rows = letters.query_map([], |row| {
                Ok((crate::ring::unsigned(row, 0)?, crate::ring::unsigned(row, 1)?, row.get(2)?))
            });
            rows.unwrap().map(Result::unwrap).collect()
        }
    }

    #[test]
    fn a_cursor_goes_forward_without_gaps_and_never_back_nor_past_the_ring() {
        let mut ring = ring();
        assert_eq!(ring.cursor(), 0);
        ring.settle(1..=10, &[]);
        assert_eq!(ring.cursor(), 10);
        ring.settle(3..=5, &[]);
        ring.settle(12..=20, &[]);
        assert_eq!(ring.cursor(), 10);
        ring.settle(5..=30, &[]);
        assert_eq!(ring.cursor(), 30);
        ring.settle(31..=u64::MAX, &[]);
        assert_eq!(ring.cursor(), 100);
    }

    #[test]
    fn the_cursors_of_outputs_and_tenants_are_their_own() {
        let mut ring = ring();
        ring.settle(1..=10, &[]);
        assert_eq!(ring.control.cursor(&ring.tenant, "mqtt").unwrap(), 0);
        let other = TenantId::parse("other").unwrap();
        ring.control.settle(&other, OUTPUT, 1..=5, &[], now()).unwrap();
        assert_eq!(ring.control.cursor(&other, OUTPUT).unwrap(), 0, "it has no ring");
    }

    #[test]
    fn rows_that_fail_again_and_again_make_one_letter_that_a_success_removes() {
        let mut ring = ring();
        ring.fail(&failure(1..=40, 3));
        assert_eq!(ring.letters(), [(1, 40, 2)]);
        ring.fail(&failure(1..=60, 3));
        assert_eq!(ring.letters(), [(1, 60, 5)]);
        assert_eq!(ring.cursor(), 0);
        ring.settle(1..=25, &[]);
        assert_eq!(ring.letters(), [(26, 60, 5)], "the rest is still to be delivered");
        ring.settle(26..=100, &[]);
        assert_eq!(ring.letters(), []);
    }

    #[test]
    fn a_refused_row_keeps_its_letter_until_it_is_delivered_after_all() {
        let mut ring = ring();
        ring.settle(1..=50, &[failure(7..=7, 1), failure(9..=9, 1)]);
        ring.settle(51..=100, &[]);
        assert_eq!((ring.cursor(), ring.letters()), (100, vec![(7, 7, 0), (9, 9, 0)]));
        ring.settle(7..=9, &[failure(7..=7, 1)]);
        assert_eq!((ring.cursor(), ring.letters()), (100, vec![(7, 7, 1)]));
        ring.settle(7..=7, &[]);
        assert_eq!(ring.letters(), []);
    }

    #[test]
    fn an_output_is_as_it_was_set_last() {
        let mut ring = ring();
        assert_eq!(ring.control.output("splunk").unwrap(), None);
        ring.control.set_output("splunk", "{\"a\":1}", now()).unwrap();
        ring.control.set_output("splunk", "{\"a\":2}", now()).unwrap();
        assert_eq!(ring.control.output("splunk").unwrap().as_deref(), Some("{\"a\":2}"));
        assert_eq!(ring.control.output("elastic").unwrap(), None);
    }
}
