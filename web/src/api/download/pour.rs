//! Writing a download: slice by slice, so that its end is noticed, and none of the store is held while its client reads.

use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use weir_flow::{FlowRecord, TenantId, Timestamp};
use weir_store::{Order, Span, Stats};

use super::format::{Packer, Writer};
use super::wanted::Wanted;
use crate::downloads::Place;
use crate::ingest::Coding;
use crate::route::Context;

/// How long is read between two looks at the ring: what was trimmed meanwhile must be noticed.
const SLICE: Duration = Duration::from_secs(2);
/// Slices without progress after which the store is taken for stuck.
const MAX_STUCK: u32 = 5;

/// A download that is to be written.
pub(super) struct Pour {
    tenant: TenantId,
    wanted: Wanted,
    /// Of the ring at the beginning: what is stored later is no part of the file, which so has an end.
    stats: Stats,
    records: u64,
    /// The last damaged row that the log was told of.
    damaged_to: u64,
    _place: Place,
}

impl Pour {
    pub(super) const fn new(tenant: TenantId, wanted: Wanted, stats: Stats, place: Place) -> Self {
        Self { tenant, wanted, stats, records: 0, damaged_to: 0, _place: place }
    }

    /// Writes all of it.
    pub(super) fn run(
        mut self,
        context: &mut Context,
        coding: Coding,
        to: &mut dyn io::Write,
    ) -> io::Result<()> {
        context.counters.download_begins();
        let packing = if coding == Coding::Identity { self.wanted.format.packing } else { coding };
        let poured = Packer::new(packing, to).and_then(|mut packer| {
            self.pour(context, &mut packer)?;
            packer.finish()
        });
        context.counters.download_ends(self.records, poured.is_ok());
        poured
    }

    fn pour(&mut self, context: &mut Context, to: &mut Packer<'_>) -> io::Result<()> {
        let ring_id = self.stats.ring_id.clone().unwrap_or_default();
        let mut writer = Writer::new(self.wanted.format.lines, ring_id, self.tenant.clone());
        writer.begin(to)?;
        let (mut after, mut stuck) = (None, 0);
        loop {
            let (came_to, is_over) = self.slice(context, after, &mut writer, to)?;
            if is_over {
                return Ok(());
            }
            stuck = if came_to > after { 0 } else { stuck + 1 };
            if stuck >= MAX_STUCK {
                return Err(io::Error::other("the store takes too long to read a block"));
            }
            after = came_to.max(after);
            self.is_still_there(context, after)?;
            // Where few records fit, what there is must not wait for more.
            to.flush()?;
        }
    }

    /// Writes what fits of the rows behind `after` for as long as a slice may take; the last row that was looked at, and
    /// whether it was the last one of all.
    fn slice(
        &mut self,
        context: &mut Context,
        after: Option<u64>,
        writer: &mut Writer,
        to: &mut Packer<'_>,
    ) -> io::Result<(Option<u64>, bool)> {
        let deadline = Instant::now() + SLICE;
        let span = Span { order: Order::OldestFirst, after, stored: None, deadline };
        let (end, mut failed, mut is_past_end) = (self.stats.next_row, None, false);
        let records = &mut self.records;
        let take = |row: u64, stored: Timestamp, record: &FlowRecord| {
            is_past_end = row >= end;
            if is_past_end {
                return false;
            }
            failed = writer.record((row, stored), record, to).err();
            *records += u64::from(failed.is_none());
            failed.is_none()
        };
        let progress = context.rows.each(&self.tenant, &self.wanted.query, &span, take);
        let progress = progress.map_err(|_| io::Error::other("the store does not answer"))?;
        if let Some(error) = failed {
            return Err(error);
        }
        self.tell_damage(&progress.damaged);
        let came_to = progress.scanned_to_row;
        let is_over = progress.complete || is_past_end || came_to.is_some_and(|row| row + 1 >= end);
        Ok((came_to, is_over))
    }

    /// Tells the log, once, of rows that are missing from the file because they cannot be read.
    fn tell_damage(&mut self, damaged: &[RangeInclusive<u64>]) {
        for rows in damaged {
            if *rows.start() > self.damaged_to {
                tracing::warn!("a download lacks rows {} to {}, which are damaged", rows.start(), rows.end());
                self.damaged_to = *rows.end();
            }
        }
    }

    /// Fails when rows behind `after` are gone that nobody has looked at: a file with a gap must not look whole.
    fn is_still_there(&self, context: &mut Context, after: Option<u64>) -> io::Result<()> {
        let stats =
            context.rows.stats(&self.tenant).map_err(|_| io::Error::other("the store does not answer"))?;
        if stats.ring_id != self.stats.ring_id {
            return Err(io::Error::other("the ring was replaced during a download"));
        }
        if after.is_some_and(|after| stats.first_row > after.saturating_add(1)) {
            return Err(io::Error::other("rows were trimmed before a slow download came to them"));
        }
        Ok(())
    }
}
