//! Rows that fit, as JSON, in the order that was asked for.

use std::collections::VecDeque;
use std::io::Write;
use std::ops::ControlFlow;

use weir_flow::{FlowRecord, TenantId};

use super::matched::Matched;
use super::sweep::{Outcome, Span, sweep};
use super::{MAX_SEARCH_BYTES, Page, Query};
use crate::block::{Damage, MAX_RECORD_BYTES, Rows};
use crate::error::Error;
use crate::{Order, Reader};

/// Where rows go: ring id, number and JSON.
type Take<'t> = dyn FnMut(&str, u64, &str) -> ControlFlow<()> + 't;

/// Rows on their way to whoever asked.
struct Delivery<'a> {
    tenant: &'a TenantId,
    /// Rows that are still wanted.
    room: usize,
    line: Vec<u8>,
    take: &'a mut Take<'a>,
}

impl Reader {
    pub(super) fn deliver(
        &self,
        tenant: &TenantId,
        query: &Query,
        page: &Page,
        mut take: impl FnMut(&str, u64, &str) -> ControlFlow<()>,
    ) -> Result<Outcome, Error> {
        if page.limit == 0 {
            let mut outcome = Outcome { next: page.after, ..Outcome::default() };
            outcome.progress.complete = true;
            return Ok(outcome);
        }
        let span = Span { order: page.order, after: page.after, stored: None, deadline: page.deadline };
        let mut delivery = Delivery { tenant, room: page.limit, line: Vec::new(), take: &mut take };
        sweep(self, tenant, query, &span, &mut |matched| match page.order {
            Order::NewestFirst => delivery.descending(matched),
            Order::OldestFirst => delivery.ascending(matched),
        })
    }
}

impl Delivery<'_> {
    fn ascending(&mut self, matched: &Matched<'_>) -> Result<Option<u64>, Damage> {
        let (mut last, mut result) = (None, Ok(()));
        matched.scan.each(&matched.rows, |place, record| {
            result = self.write(matched, place, &record);
            if result.is_ok() && self.hand_over(matched, place).is_break() {
                last = Some(matched.row(place));
            }
            result.is_ok() && last.is_none()
        })?;
        result.map(|()| last)
    }

    /// A block is read from its first row to its last, so that rows wait in a queue; where they are too long for that, the block
    /// is read again for those that had to make room.
    fn descending(&mut self, matched: &Matched<'_>) -> Result<Option<u64>, Damage> {
        let mut left = matched.rows.clone();
        while !left.is_empty() {
            for (place, json) in self.last_of(matched, &left.last(self.room))?.into_iter().rev() {
                left.remove(place);
                self.line = json;
                if self.hand_over(matched, place).is_break() {
                    return Ok(Some(matched.row(place)));
                }
            }
        }
        Ok(None)
    }

    /// The last of `rows`, as many as there is memory for, and one at least.
    fn last_of(&mut self, matched: &Matched<'_>, rows: &Rows) -> Result<VecDeque<(usize, Vec<u8>)>, Damage> {
        let (mut queue, mut bytes, mut result) = (VecDeque::<(usize, Vec<u8>)>::new(), 0, Ok(()));
        matched.scan.each(rows, |place, record| {
            result = self.write(matched, place, &record);
            bytes += self.line.len();
            queue.push_back((place, self.line.clone()));
            while bytes > MAX_SEARCH_BYTES && queue.len() > 1 {
                bytes -= queue.pop_front().map_or(0, |(_, json)| json.len());
            }
            result.is_ok()
        })?;
        result.map(|()| queue)
    }

    /// The row as JSON, in `line`.
    fn write(&mut self, matched: &Matched<'_>, place: usize, record: &FlowRecord) -> Result<(), Damage> {
        let unwritten = |_| Damage::Value("record");
        self.line.clear();
        let (row, at) = (matched.row(place), matched.stored_at(place));
        let (ring_id, tenant) = (matched.ring_id, self.tenant.as_str());
        write!(self.line, r#"{{"id":"{ring_id}-{row}","tenant_id":"{tenant}","processed_at":"{at}""#)
            .map_err(|_| Damage::Value("record"))?;
        let begin = self.line.len();
        record.write_json(&mut self.line).map_err(unwritten)?;
        if self.line.len() - begin > MAX_RECORD_BYTES {
            return Err(Damage::RecordTooLong);
        }
        // A record is an object with members: its brace gives way to a comma.
        self.line.get_mut(begin).into_iter().for_each(|brace| *brace = b',');
        Ok(())
    }

    /// Gives `line` away; breaks off when that was the last one that is wanted.
    fn hand_over(&mut self, matched: &Matched<'_>, place: usize) -> ControlFlow<()> {
        let json = String::from_utf8_lossy(&self.line);
        self.room -= 1;
        (self.take)(matched.ring_id, matched.row(place), &json)?;
        if self.room == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
