//! Totals by the minute: added up by the writer in the commit of their rows, read for charts.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use weir_flow::{FlowRecord, Kind};

use crate::ring::{signed, unsigned};

pub(crate) const MINUTE_MS: i64 = 60_000;

/// What a ring took in within one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MinuteTotal {
    /// Minutes since 1970-01-01T00:00Z, by `processed_at`.
    pub minute: i64,
    /// Records of kind `flow`.
    pub flows: u64,
    /// Packets of all records, each times its sampling.
    pub packets: u64,
    /// IP-layer octets of all records, each times its sampling.
    pub octets: u64,
    /// Records that an indicator matched.
    pub threats: u64,
    /// Sum of the risk scores.
    pub risk_sum: u64,
    /// Records that have a risk score.
    pub risk_count: u64,
    /// The first row of the minute.
    pub first_row: u64,
}

/// The minute of an instant in milliseconds.
pub(crate) const fn minute_of(ms: i64) -> i64 {
    ms.div_euclid(MINUTE_MS)
}

const COLUMNS: &str = "minute, flows, packets, octets, threats, risk_sum, risk_count, first_row";

impl MinuteTotal {
    /// Adds a record.
    pub(crate) fn add(&mut self, record: &FlowRecord) {
        let sampling = record.exported.as_ref().and_then(|exported| exported.sampling);
        let sampling = u64::from(sampling.unwrap_or(1).max(1));
        self.flows += u64::from(record.kind == Kind::Flow);
        self.packets = self.packets.saturating_add(record.packets().saturating_mul(sampling));
        self.octets = self.octets.saturating_add(record.octets().saturating_mul(sampling));
        self.threats += u64::from(record.is_threat());
        if let Some(risk) = &record.risk {
            self.risk_sum += u64::from(risk.score());
            self.risk_count += 1;
        }
    }

    /// Adds another total of the same minute, whose rows come after.
    pub(crate) const fn merge(&mut self, later: &Self) {
        self.flows += later.flows;
        self.packets = self.packets.saturating_add(later.packets);
        self.octets = self.octets.saturating_add(later.octets);
        self.threats += later.threats;
        self.risk_sum += later.risk_sum;
        self.risk_count += later.risk_count;
    }

    /// Adds the total to what is stored of its minute.
    pub(crate) fn store(&self, db: &Connection, ring: i64) -> rusqlite::Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM minute WHERE ring = ?1 AND minute = ?2");
        let found = db.prepare_cached(&sql)?.query_row([ring, self.minute], Self::from_row).optional()?;
        match found {
            None => self.save(db, ring),
            Some(mut total) => {
                total.merge(self);
                total.save(db, ring)
            }
        }
    }

    pub(crate) fn save(&self, db: &Connection, ring: i64) -> rusqlite::Result<()> {
        let sql =
            format!("REPLACE INTO minute (ring, {COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
        db.prepare_cached(&sql)?.execute(params![
            ring,
            self.minute,
            signed(self.flows),
            signed(self.packets),
            signed(self.octets),
            signed(self.threats),
            signed(self.risk_sum),
            signed(self.risk_count),
            signed(self.first_row)
        ])?;
        Ok(())
    }

    /// The totals from minute `from` up to and without `to`, at most `limit`.
    pub(crate) fn range(
        db: &Connection,
        ring: i64,
        (from, to): (i64, i64),
        limit: u32,
    ) -> rusqlite::Result<Vec<Self>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM minute WHERE ring = ?1 AND minute >= ?2 AND minute < ?3
             ORDER BY minute LIMIT ?4"
        );
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map(params![ring, from, to, limit], Self::from_row)?;
        rows.collect()
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            minute: row.get(0)?,
            flows: unsigned(row, 1)?,
            packets: unsigned(row, 2)?,
            octets: unsigned(row, 3)?,
            threats: unsigned(row, 4)?,
            risk_sum: unsigned(row, 5)?,
            risk_count: unsigned(row, 6)?,
            first_row: unsigned(row, 7)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{Counters, Exported, FlowRecord, Kind, Reason, Risk};

    use super::{MinuteTotal, minute_of};

    #[test]
    fn packets_and_octets_are_scaled_by_the_sampling() {
        let mut risk = Risk::default();
        risk.add(Reason::Base, 10);
        let flow = FlowRecord {
            forward: Counters { octets: 100, packets: 2 },
            reverse: Counters { octets: 50, packets: 1 },
            exported: Some(Exported { sampling: Some(1_000), ..Exported::default() }),
            risk: Some(risk),
            ..FlowRecord::default()
        };
        let query = FlowRecord { kind: Kind::Dns, ..FlowRecord::default() };
        let mut total = MinuteTotal::default();
        total.add(&flow);
        total.add(&query);
        let expected = MinuteTotal {
            flows: 1,
            packets: 3_000,
            octets: 150_000,
            risk_sum: 10,
            risk_count: 1,
            ..MinuteTotal::default()
        };
        assert_eq!(total, expected);
    }

    #[test]
    fn totals_stop_at_the_greatest_number() {
        let flow = FlowRecord {
            forward: Counters { octets: u64::MAX, packets: 1 },
            exported: Some(Exported { sampling: Some(u32::MAX), ..Exported::default() }),
            ..FlowRecord::default()
        };
        let mut total = MinuteTotal::default();
        total.add(&flow);
        total.add(&flow);
        assert_eq!(total.octets, u64::MAX);
    }

    #[test]
    fn minutes_round_down_before_1970_too() {
        assert_eq!((minute_of(59_999), minute_of(60_000), minute_of(-1)), (0, 1, -1));
    }
}
