//! Requests that must not be done twice: `Idempotency-Key`.
//!
//! An answer is a receipt, which goes with the records and is committed with them: after a crash both are there, or
//! neither. Until it can be found in the store it is kept here, and while a request is worked on its place is.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};
use weir_flow::{Receipt, ReceiptKey, Timestamp};

use super::fault::{Fault, IN_PROGRESS_SECONDS, Refusal, retry};
use crate::ledger::Ledger;

/// Receipts in memory: what waits for a commit is bounded by the queue of records, this is beyond it.
const MAX_RECEIPTS: usize = 10_000;
/// No longer key is taken: it is stored.
const MAX_KEY: usize = 255;
/// For how long an answer is given again.
const KEPT_MICROS: i64 = 24 * 3_600 * 1_000_000;
/// Field of the request.
const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Receipts that may not be in the store yet; shared by the workers.
#[derive(Default)]
pub(crate) struct Receipts(Mutex<Table>);

#[derive(Default)]
struct Table {
    states: HashMap<ReceiptKey, State>,
    /// Those that are answered, oldest first.
    answered: VecDeque<ReceiptKey>,
}

enum State {
    Working,
    Answered(Box<Receipt>),
}

/// The place of a request that is being worked on; given back when dropped.
pub(super) struct Place<'a> {
    receipts: &'a Receipts,
    key: Option<ReceiptKey>,
    body_hash: [u8; 32],
}

/// What is known of a request when it comes.
pub(super) enum Known<'a> {
    /// Nothing: it is to be done.
    New(Place<'a>),
    /// It was done before.
    Done(Receipt),
}

/// The key that `headers` carry.
pub(super) fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let fits = (1..=MAX_KEY).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic());
    if !fits || values.next().is_some() {
        let detail = "Idempotency-Key must come once and have 1 to 255 visible ASCII characters";
        return Err(Fault::bad(Refusal::BadIdempotencyKey, "bad_idempotency_key", detail));
    }
    Ok(Some(text))
}

impl Receipts {
    /// Looks whether the request with this key and `body` was done before, and takes its place when not.
    pub(super) fn look_up(
        &self,
        key: &ReceiptKey,
        body: &[u8],
        ledger: &mut Ledger,
        now: Timestamp,
    ) -> Result<Known<'_>, Fault> {
        let body_hash = Sha256::digest(body).into();
        if let Some(receipt) = self.take_place(key, now)? {
            return same_body(receipt, body_hash).map(Known::Done);
        }
        let place = Place { receipts: self, key: Some(key.clone()), body_hash };
        let stored = ledger
            .with(|control| control.receipt(key, now))
            .map_err(|problem| Fault { counted: Refusal::StoreUnavailable, problem })?;
        match stored.filter(|receipt| is_fresh(receipt, now)) {
            Some(receipt) => same_body(receipt, body_hash).map(Known::Done),
            None => Ok(Known::New(place)),
        }
    }

    /// The receipt that is here; with none, from now on the request is being worked on.
    fn take_place(&self, key: &ReceiptKey, now: Timestamp) -> Result<Option<Receipt>, Fault> {
        let mut table = self.table();
        match table.states.get(key) {
            Some(State::Working) => Err(retry(
                Refusal::IdempotencyInProgress,
                (StatusCode::CONFLICT, "idempotency_in_progress"),
                "The request with this Idempotency-Key is being worked on",
                IN_PROGRESS_SECONDS,
            )),
            Some(State::Answered(receipt)) if is_fresh(receipt, now) => Ok(Some(Receipt::clone(receipt))),
            _ => {
                let stale = table.states.insert(key.clone(), State::Working).is_some();
                if stale {
                    table.answered.retain(|answered| answered != key);
                }
                Ok(None)
            }
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The receipt for `answer`, to go with the records.
    pub(super) fn receipt(
        &self,
        status: StatusCode,
        answer: String,
        given: Timestamp,
    ) -> Option<Box<Receipt>> {
        let (key, body_hash) = (self.key.clone()?, self.body_hash);
        Some(Box::new(Receipt { key, body_hash, status: status.as_u16(), answer, given }))
    }

    /// The records were taken: from now on `receipt` is what the request gets.
    pub(super) fn keep(mut self, receipt: Receipt) {
        let Some(key) = self.key.take() else { return };
        let mut table = self.receipts.table();
        table.answered.push_back(key.clone());
        table.states.insert(key, State::Answered(Box::new(receipt)));
        while table.answered.len() > MAX_RECEIPTS {
            if let Some(oldest) = table.answered.pop_front() {
                table.states.remove(&oldest);
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.receipts.table().states.remove(&key);
        }
    }
}

const fn is_fresh(receipt: &Receipt, now: Timestamp) -> bool {
    now.micros_since(receipt.given) < KEPT_MICROS
}

fn same_body(receipt: Receipt, body_hash: [u8; 32]) -> Result<Receipt, Fault> {
    if receipt.body_hash == body_hash {
        return Ok(receipt);
    }
    Err(Fault::new(
        Refusal::IdempotencyConflict,
        StatusCode::CONFLICT,
        "idempotency_conflict",
        "This Idempotency-Key came before with another body; use a new key for another batch",
    ))
}
