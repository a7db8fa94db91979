//! Letters in a commit: those that its records were go, and records that it cannot store become new ones.

use std::collections::HashSet;

use rusqlite::Connection;
use weir_flow::{Batch, Extra, FlowRecord, TenantId};

use super::bound::Bound;
use super::{MAX_LETTER_BYTES, NewLetter, RING, bump, delete, insert};

/// Why a record is a letter.
const TOO_LARGE: &str = "record_too_large";
const UNWRITABLE: &str = "record_unwritable";
/// In `extra` of a record that was too long for a letter: how long it was.
const CUT_FROM: &str = "cut_from_bytes";

/// A record of a batch, with the letter that it was.
#[derive(Clone, Copy)]
pub(crate) struct Item<'b> {
    pub(crate) record: &'b FlowRecord,
    letter: Option<i64>,
}

/// The letters that the batches of a commit were.
#[derive(Default)]
pub(crate) struct Replays {
    /// Batch and record whose letter was stored before, or is stored by an earlier batch of this commit: a client that
    /// asks for the same replay twice must not store anything twice.
    gone: HashSet<(usize, usize)>,
    /// Letters whose record was refused again.
    stay: HashSet<i64>,
}

/// What a commit did with letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// New letters.
    pub(crate) added: u64,
    /// Letters whose record is a row now.
    pub(crate) replayed: u64,
    /// Letters that made room for new ones.
    pub(crate) expired: u64,
    /// Records that are neither row nor letter.
    pub(crate) lost: u64,
    /// Octets of the new letters.
    pub(crate) bytes: u64,
}

impl Replays {
    /// Looks which letters of `batches` are still there.
    pub(crate) fn claim(db: &Connection, batches: &[Batch]) -> rusqlite::Result<Self> {
        let mut replays = Self::default();
        let mut claimed = HashSet::new();
        let sql = "SELECT EXISTS (SELECT 1 FROM dead_letter WHERE dead_letter = ?1)";
        for (at, batch) in batches.iter().enumerate() {
            for (record, &letter) in batch.replayed.iter().enumerate() {
                let there: bool = db.prepare_cached(sql)?.query_row([letter], |row| row.get(0))?;
                if !there || !claimed.insert(letter) {
                    replays.gone.insert((at, record));
                }
            }
        }
        Ok(replays)
    }

    /// The records to store of all batches from `from` on that are of its tenant.
    pub(crate) fn records<'b>(&self, batches: &'b [Batch], from: usize) -> impl Iterator<Item = Item<'b>> {
        let tenant = batches.get(from).map(|batch| &batch.tenant);
        let of_tenant = batches.iter().enumerate().skip(from);
        let of_tenant = of_tenant.filter(move |(_, batch)| Some(&batch.tenant) == tenant);
        of_tenant.flat_map(move |(number, batch)| {
            let records = batch.records.iter().enumerate();
            let records = records.filter(move |&(at, _)| !self.is_gone(batch, number, at));
            records.map(|(at, record)| Item { record, letter: batch.replayed.get(at).copied() })
        })
    }

    fn is_gone(&self, batch: &Batch, number: usize, at: usize) -> bool {
        !batch.replayed.is_empty() && self.gone.contains(&(number, at))
    }

    /// Keeps what [`Self::records`] answers at the ascending places `refused`. A letter whose record is refused again
    /// stays, with one more attempt; other records become letters. Without a `bound` no new letter is kept.
    pub(crate) fn keep(
        &mut self,
        db: &Connection,
        batches: &[Batch],
        from: usize,
        refused: &[usize],
        (bound, now_ms): (Option<Bound>, i64),
        kept: &mut Kept,
    ) -> rusqlite::Result<()> {
        let Some(tenant) = batches.get(from).map(|batch| &batch.tenant) else { return Ok(()) };
        let mut places = refused.iter().peekable();
        let items = self.records(batches, from).enumerate();
        let items: Vec<_> = items.filter(|(at, _)| places.next_if_eq(&at).is_some()).collect();
        for (_, item) in items {
            if let Some(letter) = item.letter {
                bump(db, [letter])?;
                self.stay.insert(letter);
                continue;
            }
            let longest = bound.map_or(MAX_LETTER_BYTES, Bound::longest);
            let (payload, reason) = payload(item.record, longest);
            let room = bound.map_or(Ok(None), |bound| bound.make_room(db, payload.len() as u64))?;
            let Some(expired) = room else {
                kept.lost += 1;
                continue;
            };
            kept.expired += expired;
            kept.added += 1;
            kept.bytes += payload.len() as u64;
            insert(db, &letter_of(tenant, reason, &payload), now_ms)?;
        }
        Ok(())
    }

    /// Deletes the letters whose records are rows now.
    pub(crate) fn settle(&self, db: &Connection, batches: &[Batch], kept: &mut Kept) -> rusqlite::Result<()> {
        let replayed = batches.iter().flat_map(|batch| &batch.replayed).copied();
        kept.replayed += delete(db, replayed.filter(|letter| !self.stay.contains(letter)))?;
        Ok(())
    }
}

fn letter_of<'a>(tenant: &'a TenantId, reason: &'a str, payload: &'a str) -> NewLetter<'a> {
    NewLetter { tenant, destination: RING, reason, last_status: None, retry_count: 0, rows: None, payload }
}

/// The JSON of a record and why it is a letter. Of a record too long for a letter, or with a value in `extra` that is no
/// JSON, what identifies it.
fn payload(record: &FlowRecord, longest: usize) -> (String, &'static str) {
    let memory = record.extra.as_deref().map_or(0, Extra::bytes);
    if memory > 2 * longest {
        return (identity(record, memory), TOO_LARGE);
    }
    let mut json = Vec::new();
    let written = record.write_json(&mut json);
    let length = json.len();
    match (written, String::from_utf8(json)) {
        (Ok(()), Ok(text)) if length <= longest => (text, TOO_LARGE),
        (Ok(()), Ok(_)) => (identity(record, length), TOO_LARGE),
        _ => (identity(record, length), UNWRITABLE),
    }
}

/// A record without the texts that others chose the length of, and how many octets it had.
fn identity(record: &FlowRecord, octets: usize) -> String {
    let cut = FlowRecord {
        start: record.start,
        end: record.end,
        source: record.source,
        kind: record.kind.clone(),
        exported: record.exported,
        src_ip: record.src_ip,
        dst_ip: record.dst_ip,
        src_port: record.src_port,
        dst_port: record.dst_port,
        proto: record.proto,
        forward: record.forward,
        reverse: record.reverse,
        uncounted: record.uncounted,
        tcp_flags_out: record.tcp_flags_out,
        tcp_flags_in: record.tcp_flags_in,
        end_reason: record.end_reason,
        vlan: record.vlan,
        icmp: record.icmp,
        dscp: record.dscp,
        extra: Some(Box::new(Extra::from_iter([(CUT_FROM, octets)]))),
        ..FlowRecord::default()
    };
    let mut json = Vec::new();
    // Numbers and addresses are always JSON.
    let _ = cut.write_json(&mut json);
    String::from_utf8(json).unwrap_or_default()
}
