//! Dead letters as an administrator reads and changes them.

use rusqlite::params;
use weir_flow::{TenantId, Timestamp};

use super::{
    COLUMNS, DeadLetterSum, Letters, MAX_DEAD_LETTERS, MAX_LETTER_BYTES, MAX_PAGE_LETTERS, NewLetter,
    Selection, bound, bump, delete, insert, sums,
};
use crate::control::Control;
use crate::error::{Doing, Error};
use crate::ring::{signed, unsigned};

impl Control {
    /// The letters of `selection` after number `after`, in the order in which they were written: at most `limit`,
    /// [`MAX_PAGE_LETTERS`] and, from the second on, [`MAX_PAGE_BYTES`](super::MAX_PAGE_BYTES).
    ///
    /// # Errors
    /// What the disk answers.
    pub fn dead_letters(&self, selection: &Selection, after: i64, limit: usize) -> Result<Letters, Error> {
        let limit = limit.min(MAX_PAGE_LETTERS);
        let (tenant, destination) = selection.parameters();
        let numbers = selection.numbers("");
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letter WHERE dead_letter IN ({numbers}) ORDER BY dead_letter"
        );
        // One more tells whether there are more.
        let asked = signed(limit as u64 + 1);
        Letters::read(&self.db, &sql, &[&after, &tenant, &destination, &asked], limit)
            .doing("read", &self.path)
    }

    /// The letters of these numbers that there are, within the bounds of [`Control::dead_letters`].
    ///
    /// # Errors
    /// What the disk answers.
    pub fn dead_letters_of(&self, ids: &[i64]) -> Result<Letters, Error> {
        let numbers: Vec<String> = ids.iter().take(MAX_PAGE_LETTERS).map(i64::to_string).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM dead_letter WHERE dead_letter IN ({}) ORDER BY dead_letter",
            numbers.join(",")
        );
        Letters::read(&self.db, &sql, &[], MAX_PAGE_LETTERS).doing("read", &self.path)
    }

    /// How many letters there are, of all tenants or of one, by tenant and destination.
    ///
    /// # Errors
    /// What the disk answers.
    pub fn dead_letter_stats(&self, tenant: Option<&TenantId>) -> Result<Vec<DeadLetterSum>, Error> {
        sums(&self.db, tenant).doing("read", &self.path)
    }

    /// Writes a letter; answers its number. `None` when there are [`MAX_DEAD_LETTERS`] or its payload is longer than
    /// [`MAX_LETTER_BYTES`] or than the log may grow by: it is not kept then, which is for the caller to count.
    ///
    /// # Errors
    /// [`Error::Full`], and what else the disk answers.
    pub fn add_dead_letter(&mut self, letter: &NewLetter<'_>, now: Timestamp) -> Result<Option<i64>, Error> {
        let bytes = letter.payload.len() as u64;
        if letter.payload.len() > MAX_LETTER_BYTES || !self.may_change(bytes) {
            return Ok(None);
        }
        self.change_of(bytes, |db| {
            let (letters, _) = bound::totals(db)?;
            (letters < MAX_DEAD_LETTERS).then(|| insert(db, letter, now.millis())).transpose()
        })
    }

    /// Deletes the letters of these numbers; answers how many there were.
    ///
    /// # Errors
    /// What the disk answers; none is deleted then.
    pub fn delete_dead_letters(&mut self, ids: &[i64]) -> Result<u64, Error> {
        self.change(|db| delete(db, ids.iter().copied()))
    }

    /// Deletes letters of `selection` that were written before `before`, or all without it. A bounded piece of work, so
    /// that commits do not wait: call again until it answers 0.
    ///
    /// # Errors
    /// What the disk answers; none is deleted then.
    pub fn delete_dead_letters_before(
        &mut self,
        selection: &Selection,
        before: Option<Timestamp>,
    ) -> Result<u64, Error> {
        let before = before.map_or(i64::MAX, Timestamp::millis);
        let (tenant, destination) = selection.parameters();
        let numbers = selection.numbers("AND at < ?5");
        self.change(|db| {
            let sql = format!("SELECT dead_letter, bytes FROM dead_letter WHERE dead_letter IN ({numbers})");
            let first_of_all = 0_i64;
            let parameters = params![first_of_all, tenant, destination, bound::PIECE_LETTERS, before];
            let piece = bound::piece(db, &sql, parameters)?;
            delete(db, piece)
        })
    }

    /// Counts a vain attempt for the letters of these numbers; answers how many there were.
    ///
    /// # Errors
    /// What the disk answers; none is counted then, or only the first of very long ones.
    pub fn bump_retries(&mut self, ids: &[i64]) -> Result<u64, Error> {
        let bytes = self.bytes_of(ids)?;
        if self.may_change(bytes) {
            return self.change_of(bytes, |db| bump(db, ids.iter().copied()));
        }
        // A letter is written anew when its number of attempts gets longer, and all of them may be too much at once.
        ids.iter().try_fold(0, |found, &id| {
            let bytes = self.bytes_of(&[id])?;
            Ok(found + self.change_of(bytes, |db| bump(db, [id]))?)
        })
    }

    /// Octets of the letters of these numbers.
    fn bytes_of(&self, ids: &[i64]) -> Result<u64, Error> {
        let sum = || -> rusqlite::Result<u64> {
            let sql = "SELECT coalesce(sum(bytes), 0) FROM dead_letter WHERE dead_letter = ?1";
            let mut statement = self.db.prepare_cached(sql)?;
            ids.iter().try_fold(0, |sum, id| Ok(sum + statement.query_row([id], |row| unsigned(row, 0))?))
        };
        sum().doing("read", &self.path)
    }
}
