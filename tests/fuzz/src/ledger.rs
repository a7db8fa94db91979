//! The books that every metered input has to balance.

use weir::capture::meter::Meter;
use weir::table::Sink;
use weir_flow::{FlowRecord, write_csv};

/// Sums over the records that a flow table has handed out.
#[derive(Debug, Default)]
pub struct Ledger {
    packets: u64,
    octets: u64,
}

impl Ledger {
    /// Ends all flows of `meter`.
    ///
    /// # Panics
    /// Unless every IP packet and octet that was counted is in exactly one record, and every frame was counted.
    pub fn balance(mut self, mut meter: Meter) {
        meter.drain(&mut self);
        assert!(meter.table().is_empty(), "a drained table holds flows");
        let counts = meter.counts();
        assert_eq!((self.packets, self.octets), (counts.packets, counts.octets), "records and packets");
        assert_eq!(counts.frames, counts.packets + counts.not_ip.iter().sum::<u64>(), "frames");
    }
}

impl Sink for Ledger {
    fn take(&mut self, record: FlowRecord) {
        self.packets += record.packets();
        self.octets += record.octets();
        assert!(record.packets() > 0, "a flow without a packet: {record:?}");
        assert!(record.start <= record.end, "a flow that ends before it starts: {record:?}");
        serde_json::to_writer(std::io::sink(), &record).expect("a record is JSON");
        write_csv(&record, &mut std::io::sink()).expect("a record is a CSV line");
    }
}
