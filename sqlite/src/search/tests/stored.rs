//! Stores with records where a test wants them.

use rusqlite::{Connection, params};
use tempfile::TempDir;
use weir_flow::{FlowRecord, TenantId, Timestamp};

use super::{page, soon};
use crate::block::{Encoder, Push};
use crate::{Config, Found, MaxRecordBytes, Order, Query, Reader, Writer, files, tail};

/// When the first block was stored, and how long after it the next, milliseconds.
const FIRST_MS: i64 = 1_795_240_800_000;
const STEP_MS: i64 = 2_000;

/// Where a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In table `block`, with summary and filters.
    Sealed,
    /// In table `block` with a summary, with filters that are empty.
    Unfiltered,
    /// In table `block` alone.
    Plain,
    /// In the tail; only tail blocks follow.
    Tail,
}

pub(super) struct Row {
    pub(super) row: u64,
    pub(super) at: i64,
    pub(super) record: FlowRecord,
}

pub(super) struct Store {
    pub(super) reader: Reader,
    pub(super) db: Connection,
    pub(super) ring_id: String,
    pub(super) rows: Vec<Row>,
    ring: i64,
    _dir: TempDir,
}

/// What a block says of itself.
struct Known {
    key: i64,
    count: u64,
    at: i64,
    starts: (i64, i64),
    max_risk: Option<u8>,
    threats: u64,
}

impl Store {
    pub(super) fn new(blocks: Vec<(Vec<FlowRecord>, Place)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = Timestamp::from_millis(FIRST_MS);
        Writer::open(dir.path(), &Config::default(), at).unwrap().close().unwrap();
        let db = Connection::open(dir.path().join(files::DATABASE)).unwrap();
        db.execute(
            "INSERT INTO ring (tenant, processed_at, created_at) VALUES (?1, ?2, ?2)",
            params![TenantId::default().as_str(), FIRST_MS],
        )
        .unwrap();
        let (ring, ring_id) =
            db.query_row("SELECT ring, ring_id FROM ring", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let reader = Reader::open(dir.path()).unwrap();
        let mut store = Self { reader, db, ring_id, rows: Vec::new(), ring, _dir: dir };
        let tx = store.db.unchecked_transaction().unwrap();
        let (mut fresh, mut rows) = (Vec::new(), Vec::new());
        for (n, (records, place)) in (0..).zip(blocks) {
            store.add(&records, place, FIRST_MS + n * STEP_MS, &mut rows, &mut fresh);
        }
        fresh.extend_from_slice(&tail::END);
        fresh.resize(fresh.len() + 200, 0);
        store.db.execute("INSERT INTO tail (ring, data) VALUES (?1, ?2)", params![ring, fresh]).unwrap();
        tx.commit().unwrap();
        store.rows = rows;
        store
    }

    fn add(&self, records: &[FlowRecord], place: Place, at: i64, rows: &mut Vec<Row>, tail: &mut Vec<u8>) {
        let first_row = rows.len() as u64 + 1;
        let mut encoder = Encoder::new(MaxRecordBytes::default()).unwrap();
        encoder.stored_at(at);
        assert!(records.iter().all(|record| encoder.push(record) == Push::Kept));
        let sealed = encoder.seal().unwrap();
        let known = Known {
            key: self.key(first_row),
            count: sealed.count,
            at,
            starts: (sealed.min_ts, sealed.max_ts),
            max_risk: records.iter().filter_map(|record| record.risk).map(|risk| risk.score()).max(),
            threats: records.iter().filter(|record| record.is_threat()).count() as u64,
        };
        rows.extend((first_row..).zip(records).map(|(row, record)| Row { row, at, record: record.clone() }));
        let raw = sealed.raw.len();
        if place == Place::Tail {
            let head = tail_head(&known, first_row, sealed.encoding, (sealed.data.len(), raw));
            tail.extend_from_slice(&head);
            tail.extend_from_slice(sealed.data);
            return;
        }
        self.db
            .execute(
                "INSERT INTO block (block, count, processed_at, min_ts, max_ts, encoding, raw_bytes, data)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    known.key,
                    known.count as i64,
                    at,
                    known.starts.0,
                    known.starts.1,
                    sealed.encoding,
                    raw as i64,
                    sealed.data
                ],
            )
            .unwrap();
        self.db.execute("UPDATE ring SET next_row = ?1", [rows.len() as i64 + 1]).unwrap();
        match place {
            Place::Sealed => self.summarise(&known, sealed.addresses, sealed.terms),
            Place::Unfiltered => self.summarise(&known, &[], &[]),
            Place::Plain | Place::Tail => {}
        }
    }

    fn summarise(&self, known: &Known, addresses: &[u8], terms: &[u8]) {
        let Known { key, at, starts, max_risk, .. } = known;
        self.db
            .execute(
                "INSERT INTO summary VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    key,
                    known.count as i64,
                    at,
                    starts.0,
                    starts.1,
                    max_risk,
                    known.threats as i64,
                    addresses
                ],
            )
            .unwrap();
        self.db.execute("INSERT INTO terms VALUES (?1, ?2)", params![key, terms]).unwrap();
    }

    pub(super) fn key(&self, row: u64) -> i64 {
        self.ring << 48 | row as i64
    }

    pub(super) fn change(&self, sql: &str) {
        self.db.execute_batch(sql).unwrap();
    }

    /// When block `n`, from 0, was stored.
    pub(super) fn time_of_block(&self, n: i64) -> i64 {
        FIRST_MS + n * STEP_MS
    }

    pub(super) fn search(&self, query: &Query, limit: usize) -> Found {
        self.reader.search(&TenantId::default(), query, &page(limit, Order::NewestFirst, None)).unwrap()
    }

    /// A row as a reader answers it.
    pub(super) fn json(&self, row: u64, at: i64, record: &FlowRecord) -> String {
        let mut line = Vec::new();
        record.write_json(&mut line).unwrap();
        let (ring_id, at) = (&self.ring_id, Timestamp::from_millis(at));
        let tenant = TenantId::default();
        let members = String::from_utf8(line).unwrap();
        let (tenant, members) = (tenant.as_str(), &members[1..]);
        format!(r#"{{"id":"{ring_id}-{row}","tenant_id":"{tenant}","processed_at":"{at}",{members}"#)
    }

    fn matching<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(|row| {
            let is_named = |id: &crate::EventId| id.row == row.row && id.ring_id == self.ring_id;
            query.matches(&row.record)
                && query.rows.as_ref().is_none_or(|rows| rows.contains(&row.row))
                && (query.id.is_empty() || query.id.iter().any(is_named))
        })
    }

    /// Numbers and JSON of the rows that fit, ascending.
    pub(super) fn fitting(&self, query: &Query) -> Vec<(u64, String)> {
        self.matching(query).map(|row| (row.row, self.json(row.row, row.at, &row.record))).collect()
    }

    /// Packets and octets of the rows that fit.
    pub(super) fn sums(&self, query: &Query) -> (u64, u64) {
        self.matching(query).fold((0_u64, 0_u64), |(packets, octets), row| {
            let sampling = row.record.exported.and_then(|exported| exported.sampling).unwrap_or(1).max(1);
            let scaled = |count: u64| count.saturating_mul(sampling.into());
            (
                packets.saturating_add(scaled(row.record.packets())),
                octets.saturating_add(scaled(row.record.octets())),
            )
        })
    }
}

/// The head of a block in a tail, as `tail.rs` describes it.
fn tail_head(known: &Known, first_row: u64, encoding: u8, (data, raw): (usize, usize)) -> Vec<u8> {
    let mut head = Vec::new();
    for short in [data as u32, known.count as u32, raw as u32, encoding.into()] {
        head.extend_from_slice(&short.to_le_bytes());
    }
    head.extend_from_slice(&first_row.to_le_bytes());
    for long in [known.at, known.starts.0, known.starts.1] {
        head.extend_from_slice(&long.to_le_bytes());
    }
    head.resize(tail::HEAD, 0);
    let check = tail::check(head.first_chunk().unwrap());
    head[13..16].copy_from_slice(&check);
    head
}

#[test]
fn a_store_with_a_tail_has_all_its_rows() {
    let block = |n, place| (vec![super::flow(n); 5], place);
    let store = Store::new(vec![block(0, Place::Sealed), block(1, Place::Tail), block(2, Place::Tail)]);
    let found = store
        .reader
        .search(
            &TenantId::default(),
            &Query::default(),
            &crate::Page { limit: 100, order: Order::OldestFirst, after: None, deadline: soon() },
        )
        .unwrap();
    assert_eq!(found.rows.len(), 15);
}
