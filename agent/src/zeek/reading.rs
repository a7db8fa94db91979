//! From the octets of a file to records, a slice at a time.

use std::io::{self, BufRead, Read};

use weir_flow::{FlowRecord, Text, Timestamp};
use weir_intake::Reason;
use weir_intake::zeek::{Join, Line, MAX_LINE};

use super::handover::{BATCH_RECORDS, Handover, Over};
use super::name::Packing;
use super::position;
use super::report::Counts;
use super::tail::{State, Tail};

/// Octets that a file may have read before others have their turn: also the longest that a stop waits for.
const SLICE: u64 = 1 << 20;
/// What Zeek writes at the end of a log with a header.
const CLOSING: &[u8] = b"#close";

/// What a turn works with.
pub(super) struct Work<'a> {
    pub(super) observer: &'a Text,
    pub(super) counts: &'a mut Counts,
    pub(super) join: &'a mut Join,
    pub(super) handover: &'a Handover,
    /// Memory of a line, used again.
    pub(super) line: &'a mut Vec<u8>,
    pub(super) now: Timestamp,
}

/// What comes next in a file.
pub(super) enum Next {
    /// A line, its line feed taken off, and its octets with it.
    Line(u64),
    /// Octets of a line that is too long.
    Passed(u64),
    End,
}

impl Tail {
    /// Reads a slice, and hands over what comes of it.
    pub(super) fn turn(&mut self, work: &mut Work<'_>) -> Result<io::Result<()>, Over> {
        let (mut records, mut octets) = (Vec::new(), 0);
        let outcome = loop {
            match self.step(work, &mut records) {
                Ok(0) => {
                    self.state = State::AtEnd;
                    break Ok(());
                }
                Ok(length) => octets += length,
                Err(error) => {
                    self.state = State::Broken;
                    break Err(error);
                }
            }
            if records.len() >= BATCH_RECORDS {
                self.hand_over(std::mem::take(&mut records), work)?;
            }
            if octets >= SLICE {
                break Ok(());
            }
        };
        // A file of which nothing but its header was read is one that was met.
        let is_met = !self.is_kept && self.state == State::AtEnd && self.offset > 0;
        if is_met || !records.is_empty() {
            self.hand_over(records, work)?;
        }
        Ok(outcome)
    }

    /// Takes what comes next; answers its octets, 0 at the end.
    fn step(&mut self, work: &mut Work<'_>, records: &mut Vec<FlowRecord>) -> io::Result<u64> {
        match self.next_line(work.line)? {
            Next::Line(length) => {
                self.take(length, work, records);
                Ok(length)
            }
            Next::Passed(length) => {
                self.pass(length, work);
                Ok(length)
            }
            Next::End => Ok(0),
        }
    }

    /// Takes what stands behind the last line feed of a file that does not grow any more.
    pub(super) fn last_line(&mut self, work: &mut Work<'_>) -> Result<io::Result<()>, Over> {
        if self.skipped.is_some() {
            return Ok(Ok(()));
        }
        work.line.clear();
        let read = self.stream.by_ref().take(MAX_LINE as u64).read_until(b'\n', work.line);
        let length = match read {
            Ok(length) => length as u64,
            Err(error) => return Ok(Err(error)),
        };
        if length == 0 {
            return Ok(Ok(()));
        }
        let mut records = Vec::new();
        self.take(length, work, &mut records);
        self.hand_over(records, work).map(Ok)
    }

    fn hand_over(&mut self, records: Vec<FlowRecord>, work: &Work<'_>) -> Result<(), Over> {
        self.refresh_head();
        let Some(position) = self.position() else { return Ok(()) };
        self.is_kept = true;
        work.handover.push(records, position::of_file(work.observer, self.place, &position))
    }

    /// Reads the line that stands in the memory for lines and was `length` octets of the file.
    fn take(&mut self, length: u64, work: &mut Work<'_>, records: &mut Vec<FlowRecord>) {
        self.offset += length;
        let counts = &mut *work.counts;
        counts.lines += 1;
        counts.octets += length;
        counts.last_read = Some(work.now);
        self.is_closed = work.line.starts_with(CLOSING);
        match self.reader.line(work.line, work.now) {
            Line::Record(mut record) => {
                record.observer = Some(work.observer.clone());
                work.join.learn(&record);
                work.join.tell(&mut record);
                counts.records += 1;
                records.push(*record);
            }
            Line::Nothing => {}
            Line::Bad(rejected) => {
                counts.bad.count(rejected);
                counts.last_bad = Some(rejected);
            }
        }
    }

    /// Passes over a part of a line that is too long; it counts once, with its first part.
    fn pass(&mut self, length: u64, work: &mut Work<'_>) {
        if self.skipped.is_none() {
            work.counts.lines += 1;
            let rejected = Reason::TooLarge.of("");
            work.counts.bad.count(rejected);
            work.counts.last_bad = Some(rejected);
        }
        let passed = self.skipped.unwrap_or_default() + length;
        if work.line.last() == Some(&b'\n') {
            self.offset += passed;
            self.skipped = None;
        } else {
            self.skipped = Some(passed);
        }
    }

    /// Reads on to the next line feed.
    pub(super) fn next_line(&mut self, line: &mut Vec<u8>) -> io::Result<Next> {
        line.clear();
        let most = MAX_LINE as u64 + 1;
        let read = self.stream.by_ref().take(most).read_until(b'\n', line);
        let length = read.as_ref().map_or(0, |&length| length as u64);
        let is_whole = line.last() == Some(&b'\n');
        match read {
            Ok(0) => Ok(Next::End),
            Ok(_) if self.skipped.is_some() || (!is_whole && length == most) => Ok(Next::Passed(length)),
            Ok(_) if is_whole => {
                line.pop();
                Ok(Next::Line(length))
            }
            Ok(_) if self.packing != Packing::Plain => Ok(Next::Line(length)),
            // Half a line is read again once there is more of it.
            Ok(_) => self.stream.rewind_to(self.offset).map(|()| Next::End),
            Err(error) => Err(error),
        }
    }
}
