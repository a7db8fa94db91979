//! One export: rows from behind the cursor, request by request, each settled before the next begins.
//!
//! A crash between a receiver's answer and the cursor sends those rows again: the event id in each tells repeats apart.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use weir_flow::TenantId;
use weir_store::{Control, Error, Reader, StoredRow, Undelivered};
use weir_web::{Exported, Failure, NotExported, Splunk};

use super::hec::{Events, Said, Verdict, judge};
use super::http::Client;
use crate::clock::Clock;
use crate::stop::Stop;

/// Name of the output in cursors and dead letters.
pub(super) const OUTPUT: &str = "splunk_hec";

/// Rows in one call at most: a page's worker waits for it.
const MAX_ROWS: u64 = 10_000;
/// Rows that one call gives up at most: a receiver that refuses everything must not turn the ring into dead letters.
const MAX_REFUSED: u64 = 100;
/// From the beginning of a call on, requests are under way no longer than this. The page's guard waits 30 s for an answer,
/// and what is settled may wait 5 s for a commit.
const SENDING_LIMIT: Duration = Duration::from_secs(18);
/// A receiver that takes longer for a request is taken for gone.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(8);
/// With less than this left an attempt is not worth beginning.
const LEAST_ATTEMPT: Duration = Duration::from_secs(1);
/// Reading a request's rows takes no longer.
const READ_LIMIT: Duration = Duration::from_secs(4);
/// Longest pause between two attempts that the settings ask for.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What one export works with.
pub(super) struct Delivery<'a> {
    pub(super) splunk: &'a Splunk,
    pub(super) events: Events,
    pub(super) client: Client,
    pub(super) tenant: &'a TenantId,
    pub(super) reader: Reader,
    pub(super) control: Control,
    pub(super) stop: &'a Stop,
    pub(super) clock: Clock,
    pub(super) began: Instant,
    pub(super) done: Exported,
}

impl Delivery<'_> {
    /// Sends what lies behind the cursor; or `rows`, and first what lies between the cursor and them, so that order is kept.
    pub(super) fn run(mut self, rows: Option<RangeInclusive<u64>>) -> Result<Exported, NotExported> {
        let newest =
            self.reader.stats(self.tenant).map_err(|error| store(&error))?.next_row.saturating_sub(1);
        let cursor = self.cursor()?;
        let (first, last) = rows.map_or((u64::MAX, u64::MAX), RangeInclusive::into_inner);
        let outcome = self.deliver(first.clamp(1, cursor.saturating_add(1)), last.min(newest));
        self.done.remaining = self.remaining()?;
        self.done.latency_ms = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Err(NotExported::Failed(failure)) => {
                Err(NotExported::Failed(Box::new(Failure { before: self.done, ..*failure })))
            }
            other => other.map(|()| self.done),
        }
    }

    fn deliver(&mut self, mut next: u64, until: u64) -> Result<(), NotExported> {
        while next <= until && self.has_room() {
            let rows = self.read(next, until)?;
            let begins = rows.first().map_or(until.saturating_add(1), |row| row.row);
            let settled = self.batch(next, rows, until)?;
            self.done.trimmed += begins - next;
            next = settled.saturating_add(1);
        }
        Ok(())
    }

    /// Whether another request may begin: with a whole attempt's time for it.
    fn has_room(&self) -> bool {
        self.done.sent + self.done.failed < MAX_ROWS
            && self.done.failed < MAX_REFUSED
            && self.elapsed() + ATTEMPT_LIMIT <= SENDING_LIMIT
    }

    fn read(&self, next: u64, until: u64) -> Result<Vec<StoredRow>, NotExported> {
        let room = MAX_ROWS - self.done.sent - self.done.failed;
        let limit = self.splunk.batch_size.min(usize::try_from(room).unwrap_or(usize::MAX));
        let deadline = self.clock.monotonic() + READ_LIMIT;
        let rows = self.reader.rows(self.tenant, next - 1, limit, deadline);
        let mut rows = rows.map_err(|error| store(&error))?;
        rows.retain(|row| row.row <= until);
        Ok(rows)
    }

    /// Delivers `rows`, or the first of them, and answers how far it came. What lies from `next` up to them the ring gave up;
    /// without rows that is all up to `until`.
    fn batch(&mut self, next: u64, mut rows: Vec<StoredRow>, until: u64) -> Result<u64, NotExported> {
        let mut last = rows.last().map_or(until, |row| row.row);
        let mut refused = None;
        while !rows.is_empty() {
            let packed = self.events.pack(&rows);
            let (body, count) = packed.map_err(|error| NotExported::Store(error.to_string()))?;
            if count < rows.len() {
                rows.truncate(count);
                last = rows.last().map_or(last, |row| row.row);
            }
            let (verdict, said) = self.attempts(next..=last, &body)?;
            let number = match verdict {
                Verdict::EventRefused(number) => number,
                Verdict::TooLarge => None,
                _ => break,
            };
            refused = narrow(&mut rows, number, said);
            let end = refused.as_ref().map(|letter| *letter.rows.end()).or(rows.last().map(|row| row.row));
            last = end.unwrap_or(last);
        }
        let now = self.clock.now();
        let settled = self.control.settle(self.tenant, OUTPUT, next..=last, refused.as_slice(), now);
        settled.map_err(|error| store(&error))?;
        self.done.sent += rows.len() as u64;
        self.done.failed += u64::from(refused.is_some());
        Ok(last)
    }

    /// Sends `body` until the receiver has decided about it, or the attempts are used up.
    fn attempts(&mut self, rows: RangeInclusive<u64>, body: &[u8]) -> Result<(Verdict, Said), NotExported> {
        let mut attempts = 0;
        loop {
            if self.stop.is_set() {
                return Err(NotExported::Stopping);
            }
            attempts += 1;
            let limit = ATTEMPT_LIMIT.min(SENDING_LIMIT.saturating_sub(self.elapsed()));
            if limit < LEAST_ATTEMPT {
                let reason =
                    "Splunk took too long to answer the requests before; look at the collector".to_owned();
                return Err(self.failed(rows, attempts, false, Said { reason, ..Said::default() }));
            }
            let (verdict, said) = judge(self.client.post(body, limit));
            let pause = match verdict {
                Verdict::Later => self.pause(attempts, said.retry_after),
                Verdict::Refused => None,
                decided => return Ok((decided, said)),
            };
            let Some(pause) = pause else {
                return Err(self.failed(rows, attempts, verdict == Verdict::Refused, said));
            };
            if self.stop.wait(pause) {
                return Err(NotExported::Stopping);
            }
            self.done.retries += 1;
        }
    }

    /// How long to wait before the next attempt; none when there shall be none, or it would end too late.
    fn pause(&self, attempts: u32, retry_after: Option<u64>) -> Option<Duration> {
        let doubled = self.splunk.backoff_ms.saturating_mul(1 << (attempts - 1).min(20));
        let pause = Duration::from_millis(doubled).min(MAX_PAUSE);
        let pause = pause.max(Duration::from_secs(retry_after.unwrap_or_default()));
        let ends = self.elapsed().checked_add(pause)?.checked_add(LEAST_ATTEMPT)?;
        (attempts <= self.splunk.max_retries && ends <= SENDING_LIMIT).then_some(pause)
    }

    /// Writes the dead letter of `rows` and says why they were not taken.
    fn failed(
        &mut self,
        rows: RangeInclusive<u64>,
        attempts: u32,
        is_refusal: bool,
        said: Said,
    ) -> NotExported {
        let Said { reason, status, retry_after } = said;
        let what = Undelivered { rows, reason: reason.clone(), last_status: status, attempts };
        if let Err(error) = self.control.fail(self.tenant, OUTPUT, &what, self.clock.now()) {
            // The cursor stays in any case: no row is lost for want of its letter.
            tracing::warn!(output = OUTPUT, "no dead letter for rows that were not taken: failed to {error}");
        }
        let before = self.done;
        NotExported::Failed(Box::new(Failure {
            is_refusal,
            reason,
            last_status: status,
            retry_after,
            before,
        }))
    }

    fn remaining(&self) -> Result<u64, NotExported> {
        let stats = self.reader.stats(self.tenant).map_err(|error| store(&error))?;
        let next = self.cursor()?.saturating_add(1).max(stats.first_row);
        Ok(stats.next_row.saturating_sub(next))
    }

    fn cursor(&self) -> Result<u64, NotExported> {
        self.control.cursor(self.tenant, OUTPUT).map_err(|error| store(&error))
    }

    fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_duration_since(self.began)
    }
}

/// Leaves of `rows`, of which the receiver took none, what to send next: those before the refused one, which gets the letter
/// that is answered; or half, where it is not told which that is. What stood behind goes into the next request.
fn narrow(rows: &mut Vec<StoredRow>, number: Option<usize>, said: Said) -> Option<Undelivered> {
    let refused = number.filter(|&number| number < rows.len()).or((rows.len() == 1).then_some(0));
    let refused_row = refused.and_then(|at| rows.get(at)).map(|row| row.row);
    rows.truncate(refused.unwrap_or(rows.len() / 2));
    refused_row.map(|row| letter(row, said))
}

fn letter(row: u64, said: Said) -> Undelivered {
    Undelivered { rows: row..=row, reason: said.reason, last_status: said.status, attempts: 1 }
}

/// The store does not answer.
pub(super) fn store(error: &Error) -> NotExported {
    NotExported::Store(format!("failed to {error}"))
}
