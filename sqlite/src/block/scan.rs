//! Which rows of a block fit a search, from its columns: a record is made of a row that fits, and of no other.
//!
//! A condition is asked once for each value of a list, then rows are judged by their codes. What is done for a block in which
//! nothing fits is little more than to unpack it. [`Query::matches`] is the meaning of every condition; both use the same
//! tests.

mod ends;
mod enriched;
mod observed;
mod rows;
mod sums;

use weir_flow::FlowRecord;

pub use rows::Rows;
pub(crate) use sums::Sums;

use super::column::ShortsReader;
use super::read::Records;
use super::{Damage, MAX_BLOCK_ROWS, presence};
use crate::Query;

/// Values of a list that rows can refer to: two for each.
const MAX_VALUES: usize = 2 * MAX_BLOCK_ROWS;

/// A block before compression, to be looked into.
pub struct Scan<'a> {
    columns: &'a [u8],
    /// At the first row.
    start: Records<'a>,
    /// Which fields each row has.
    has: Vec<u64>,
    /// When each row was stored, milliseconds.
    stored_at: Vec<i64>,
}

/// A condition that rows are narrowed by.
type Step<'a> = fn(&Scan<'a>, &Query, &mut Rows) -> Result<(), Damage>;

impl<'a> Scan<'a> {
    /// Of `columns`, which are a block of `rows` rows.
    ///
    /// # Errors
    /// What is wrong with the block as a whole.
    pub fn new(columns: &'a [u8], rows: u64) -> Result<Self, Damage> {
        let start = Records::new(columns, rows)?;
        let mut sets = start.has.clone();
        let has = (0..rows).map(|_| sets.next()).collect::<Result<Vec<_>, _>>()?;
        if has.iter().any(|has| has & !presence::ALL != 0) {
            return Err(Damage::Value("set of fields"));
        }
        let mut stamps = start.stamps;
        let stored_at = (0..rows).map(|_| stamps.next()).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { columns, start, has, stored_at })
    }

    /// When the row at `place` was stored, milliseconds.
    #[must_use]
    pub fn stored_at(&self, place: usize) -> i64 {
        self.stored_at.get(place).copied().unwrap_or_default()
    }

    /// Rows.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.has.len()
    }

    /// Leaves in `rows` those that fit `query`, whose conditions about where rows are stored it does not look at.
    ///
    /// # Errors
    /// What is wrong with a column that was looked at.
    pub fn narrow(&self, query: &Query, rows: &mut Rows) -> Result<(), Damage> {
        // In the order of what they cost.
        let steps: [Step<'a>; 10] = [
            Self::narrow_addresses,
            Self::narrow_names,
            Self::narrow_places,
            Self::narrow_verdict,
            Self::narrow_ports,
            Self::narrow_octets,
            Self::narrow_kind,
            Self::narrow_origin,
            Self::narrow_time,
            Self::narrow_text,
        ];
        for step in steps {
            step(self, query, rows)?;
            if rows.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Hands the records of `rows` to `take`, ascending, until that says false: place from 0, and record.
    ///
    /// # Errors
    /// What is wrong with the block; records before the damage may have been handed over.
    pub fn each(&self, rows: &Rows, mut take: impl FnMut(usize, FlowRecord) -> bool) -> Result<(), Damage> {
        let mut records = Records::new(self.columns, self.has.len() as u64)?;
        let mut at = 0;
        for place in rows.iter() {
            for _ in at..place {
                records.pass()?;
            }
            at = place + 1;
            if !take(place, records.next().ok_or(Damage::Short)??) {
                break;
            }
        }
        Ok(())
    }

    /// The fields of each row, with its place.
    fn fields(&self) -> impl Iterator<Item = (usize, u64)> {
        self.has.iter().copied().enumerate()
    }

    /// Removes the rows whose value in a column of codes does not fit, or that have none. `bit` says which rows have one.
    fn narrow_codes(
        &self,
        bit: u64,
        mut codes: ShortsReader<'_>,
        fits: &[bool],
        rows: &mut Rows,
    ) -> Result<(), Damage> {
        if !fits.contains(&true) {
            rows.clear();
            return Ok(());
        }
        let mut seen = Codes::default();
        for (place, has) in self.fields() {
            if has & bit == 0 || !seen.value(codes.next()?, fits)? {
                rows.remove(place);
            }
        }
        Ok(())
    }
}

/// How much of a list came so far.
#[derive(Clone, Copy, Debug, Default)]
struct Codes(usize);

impl Codes {
    /// What is known of the value of `code`.
    fn value<V: Copy>(&mut self, code: u16, known: &[V]) -> Result<V, Damage> {
        let place = match code.checked_sub(1) {
            Some(place) => place.into(),
            None => {
                self.0 += 1;
                self.0 - 1
            }
        };
        known.get(place).copied().ok_or(Damage::Value("code"))
    }
}

#[cfg(test)]
mod tests;
