//! When the rows of a block were stored: a column of runs, since a sealed block holds the rows of many commits.
//!
//! A run is the number of its rows, then its instant in milliseconds, as the difference to the run before it. Instants
//! never decrease, as in the ring.

use super::column::{Column, Input, fold, unfold};
use super::{Damage, MAX_BLOCK_ROWS};

/// Writes them.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    runs: Vec<(u64, i64)>,
    column: Column,
}

impl Stamps {
    /// The next row was stored at `ms`, or with the row before it if that is later.
    pub(super) fn push(&mut self, ms: i64) {
        match self.runs.last_mut() {
            Some((rows, before)) if *before >= ms => *rows += 1,
            _ => self.runs.push((1, ms)),
        }
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.column.clear();
    }

    /// Of the first and of the last row.
    pub(super) fn ends(&self) -> (i64, i64) {
        let of = |run: Option<&(u64, i64)>| run.map_or(0, |&(_, ms)| ms);
        (of(self.runs.first()), of(self.runs.last()))
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        let mut before = 0_i64;
        for &(rows, ms) in &self.runs {
            self.column.number(rows);
            self.column.number(fold(ms.wrapping_sub(before)));
            before = ms;
        }
        self.column.write(out);
        self.runs.clear();
    }
}

/// Reads them, row by row.
#[derive(Clone, Copy, Debug)]
pub(super) struct StampsReader<'a> {
    input: Input<'a>,
    left: u64,
    ms: i64,
}

impl<'a> StampsReader<'a> {
    /// The column in `block`, of which every run is looked at: it is as long as `rows`, and in order.
    pub(super) fn new(block: &mut Input<'a>, rows: u64) -> Result<Self, Damage> {
        let reader = Self { input: block.column()?, left: 0, ms: 0 };
        let (mut all, mut found, mut before) = (reader, 0, None);
        while !all.input.is_empty() {
            all.run()?;
            if before.is_some_and(|before| before >= all.ms) {
                return Err(Damage::Value("instant"));
            }
            before = Some(all.ms);
            // Neither sum can overflow: each run is at most a block long.
            found += all.left;
            if found > rows {
                break;
            }
        }
        if found == rows { Ok(reader) } else { Err(Damage::Rows { found, expected: rows }) }
    }

    fn run(&mut self) -> Result<(), Damage> {
        self.left = self.input.number()?;
        if self.left == 0 || self.left > MAX_BLOCK_ROWS as u64 {
            return Err(Damage::Value("number of rows"));
        }
        self.ms = self.ms.wrapping_add(unfold(self.input.number()?));
        Ok(())
    }

    /// Of the next row, in milliseconds.
    pub(super) fn next(&mut self) -> Result<i64, Damage> {
        if self.left == 0 {
            self.run()?;
        }
        self.left -= 1;
        Ok(self.ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Stamps, StampsReader};
    use crate::block::Damage;
    use crate::block::column::Input;

    proptest! {
        #[test]
        fn each_row_has_its_instant_or_that_of_the_row_before_it_if_that_is_later(
            instants in prop::collection::vec(
                prop_oneof![any::<i64>(), 1_790_000_000_000..1_790_000_000_100_i64],
                1..40,
            ),
        ) {
            let mut stamps = Stamps::default();
            instants.iter().for_each(|&ms| stamps.push(ms));
            let ends = stamps.ends();
            let mut out = Vec::new();
            stamps.write(&mut out);
            let mut reader = StampsReader::new(&mut Input(&out), instants.len() as u64).unwrap();
            let mut latest = i64::MIN;
            for ms in &instants {
                latest = latest.max(*ms);
                prop_assert_eq!(reader.next().unwrap(), latest);
            }
            prop_assert!(reader.next().is_err());
            prop_assert_eq!(ends, (instants[0], latest));
        }
    }

    #[test]
    fn instants_for_more_or_fewer_rows_and_such_that_go_back_are_refused() {
        let read = |runs: &[u8], rows| {
            let column = [&[u8::try_from(runs.len()).unwrap()], runs].concat();
            StampsReader::new(&mut Input(&column), rows).map(|_| ())
        };
        assert!(read(&[2, 2, 1, 2], 3).is_ok());
        assert!(matches!(read(&[2, 2, 1, 2], 4), Err(Damage::Rows { found: 3, expected: 4 })));
        assert!(matches!(read(&[2, 2, 2, 2], 3), Err(Damage::Rows { found: 4, expected: 3 })));
        assert!(matches!(read(&[2, 2, 1, 1], 3), Err(Damage::Value("instant"))));
        assert!(matches!(read(&[2, 2, 1, 0], 3), Err(Damage::Value("instant"))));
        assert!(matches!(read(&[2, 2, 0, 2, 1, 2], 3), Err(Damage::Value("number of rows"))));
        assert!(matches!(read(&[3], 3), Err(Damage::Short)));
    }
}
