//! A ranking in the making.

use std::cell::RefCell;
use std::ops::{ControlFlow, Range};
use std::time::Instant;

use rusqlite::Connection;
use weir_flow::{FlowRecord, Timestamp};

use super::{MAX_KEYS, MAX_TOP, Span, Top, TopEntry, TopQuery, keys};
use crate::block::Decoder;
use crate::hour::rows::View;
use crate::search::Progress;
use crate::sums::{Sum, Sums};
use crate::{Dimension, Measure};

/// The clock is looked at after so many rows, which take a millisecond.
const DEADLINE_ROWS: u64 = 1_024;

/// An answer in the making.
pub(super) struct Ranking {
    pub(super) dimension: Dimension,
    measure: Measure,
    limit: usize,
    pub(super) deadline: Instant,
    pub(super) sums: Sums,
    pub(super) trimmed_rows: u64,
    pub(super) progress: Progress,
}

impl Ranking {
    pub(super) fn new(query: &TopQuery, deadline: Instant) -> Self {
        Self {
            dimension: query.dimension,
            measure: query.measure,
            limit: query.limit.min(MAX_TOP),
            deadline,
            sums: Sums::new(MAX_KEYS),
            trimmed_rows: 0,
            progress: Progress { complete: true, ..Progress::default() },
        }
    }

    pub(super) fn add(&mut self, record: &FlowRecord) {
        let sum = Sum::of(record);
        keys(self.dimension, record, |key, label| self.sums.add(key, label, sum));
    }

    /// Adds all rows of `ranges` until the deadline.
    pub(super) fn read(
        &mut self,
        db: &Connection,
        decoder: &RefCell<Decoder>,
        view: &View,
        ranges: Vec<Range<u64>>,
    ) -> rusqlite::Result<()> {
        for range in ranges {
            let deadline = self.deadline;
            let (pass, flow) = view.each(db, decoder, &range, |row, record| {
                self.add(record);
                match row.is_multiple_of(DEADLINE_ROWS) && Instant::now() >= deadline {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
            self.progress.blocks += pass.blocks;
            self.progress.blocks_read += pass.blocks;
            self.progress.damaged.extend(pass.damaged);
            self.progress.scanned_to_row = pass.last.or(self.progress.scanned_to_row);
            if flow.is_break() {
                self.progress.complete = false;
                break;
            }
        }
        Ok(())
    }

    pub(super) fn answer(self, span: &Span) -> Top {
        let Self { measure, sums, trimmed_rows, progress, .. } = self;
        let mut ranked: Vec<_> = sums.entries().iter().collect();
        ranked.sort_unstable_by(|a, b| {
            b.sum.get(measure).cmp(&a.sum.get(measure)).then_with(|| a.key.cmp(&b.key))
        });
        let entries = ranked.into_iter().take(self.limit).map(|entry| TopEntry {
            key: entry.key.to_string(),
            label: entry.label.as_deref().map(ToOwned::to_owned),
            octets: entry.sum.get(Measure::Octets),
            packets: entry.sum.get(Measure::Packets),
            flows: entry.sum.get(Measure::Flows),
            error: sums.missed(entry).get(measure),
        });
        let error = sums.unknown().get(measure);
        let is_whole = progress.complete && progress.damaged.is_empty() && trimmed_rows == 0;
        let (from, to) = span.millis();
        Top {
            from: Timestamp::from_millis(from),
            to: Timestamp::from_millis(to),
            entries: entries.collect(),
            error,
            exact: error == 0 && is_whole,
            trimmed_rows,
            progress,
        }
    }
}
