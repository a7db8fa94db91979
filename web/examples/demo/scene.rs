//! What the made-up agent says of itself.

use weir_web::{
    Capture, Clock, Condition, Health, Interface, InterfaceState, LastFiveMinutes, LookupAnswer,
    LookupTarget, Loss, LossUnit, Memory, Metrics, Point, Process, Queue, Rates, SERIES_POINTS, Sources,
    Status, Store, Table, Timeseries, Totals, Version,
};

use crate::{exporters, now};

/// One state of the agent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scene {
    Busy,
    Hostile,
    Denied,
    Silent,
}

impl Scene {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "hostile" => Self::Hostile,
            "denied" => Self::Denied,
            "silent" => Self::Silent,
            _ => Self::Busy,
        }
    }

    const fn works(self) -> bool {
        matches!(self, Self::Busy | Self::Hostile)
    }

    fn interfaces(self) -> Vec<Interface> {
        let (state, reason) = match self {
            Self::Denied => (
                InterfaceState::NoPermission,
                Some(
                    "capturing needs CAP_NET_RAW; run `sudo setcap cap_net_raw,cap_net_admin+ep $(command -v weir)`",
                ),
            ),
            _ => (InterfaceState::Capturing, None),
        };
        let seen = u64::from(self.works());
        let eth0 = Interface {
            interface: "eth0".into(),
            state,
            reason: reason.map(Into::into),
            packets: seen * 48_213_977,
            octets: seen * 39_113_558_211,
            kernel_drops: seen * 1_204,
            workers: 1,
        };
        let vlan = Interface { interface: "eth1.20".into(), kernel_drops: 0, ..eth0.clone() };
        if self.works() { vec![eth0, vlan] } else { vec![eth0] }
    }

    fn losses(self) -> Vec<Loss> {
        let loss = |reason: &'static str, place: &'static str, count, unit| Loss {
            reason: reason.into(),
            place: place.into(),
            count: if self.works() { count } else { 0 },
            unit,
        };
        vec![
            loss("kernel_ring_full", "eth0", 1_204, LossUnit::Packets),
            loss("link_full", "inputs → pipeline", 38, LossUnit::Records),
            loss("truncated_header", "eth0", 17, LossUnit::Undecoded),
            loss("socket_buffer_full", "0.0.0.0:6343", 214, LossUnit::Datagrams),
            loss("no_template", "collect", 1_204, LossUnit::Undecoded),
            loss("kernel_ring_full", "eth1.20", 0, LossUnit::Packets),
            loss("link_full", "pipeline → store", 0, LossUnit::Records),
            loss("record_too_large", "store", 0, LossUnit::Records),
        ]
    }

    fn series(self) -> LastFiveMinutes {
        let end = now().millis() / 5_000;
        let points = |value: &dyn Fn(f64) -> f64| -> Vec<Point> {
            let first = end - i64::try_from(SERIES_POINTS).unwrap_or(60);
            #[expect(clippy::cast_precision_loss, reason = "for display")]
            let value = |at: i64| if self.works() { value(at as f64).max(0.0) } else { 0.0 };
            (first..end).map(|at| (at * 5_000, value(at))).collect()
        };
        let wave = |at: f64| (at / 7.0).sin() + 0.4 * (at / 2.3).cos() + 0.3 * (at * 1.7).sin();
        LastFiveMinutes {
            eps: points(&|at| 85.0 + 26.0 * wave(at)),
            bpm: points(&|_| 40.0),
            bps: points(&|at| 9.4e7 + 3.1e7 * wave(at + 3.0)),
            threats: points(&|at| if at % 17.0 < 1.0 { 2.0 } else { 0.0 }),
            avg_risk: points(&|at| 14.0 + 3.0 * wave(at + 9.0)),
            drops: points(&|at| if at % 41.0 < 2.0 { 60.0 } else { 0.0 }),
        }
    }
}

impl Status for Scene {
    fn health(&self) -> Health {
        Health {
            status: Condition::Ok,
            service: "telemetry-api".into(),
            version: "v1".into(),
            uptime_seconds: 93_784,
            parts: Vec::new(),
        }
    }

    fn version(&self) -> Version {
        Version { version: env!("CARGO_PKG_VERSION").into(), ..Version::default() }
    }

    fn metrics(&self) -> Metrics {
        let seen = u64::from(self.works());
        let of = |value: f64| if self.works() { value } else { 0.0 };
        let last_5m = self.series();
        Metrics {
            now_ms: now().millis(),
            uptime_seconds: 93_784,
            eps: last_5m.eps.last().map_or(0.0, |point| point.1),
            records_processed: seen * 7_912_004,
            totals: Totals {
                events: seen * 7_912_004,
                batches: seen * 46_000,
                threat_matches: seen * 311,
                unique_sources: seen * 214,
                risk_sum: seen * 104_000_000,
                risk_count: seen * 7_912_004,
            },
            rates: Rates { eps_1m: of(88.2), epm_1m: of(5_292.0), bpm_1m: of(40.0), bits_1m: of(9.61e7) },
            queue: Queue { lag_ms_p50: of(412.0), lag_ms_p95: of(960.0), lag_ms_p99: of(1_204.0) },
            timeseries: Timeseries { last_5m },
            capture: Capture {
                packets: seen * 96_000_000,
                octets: seen * 78_000_000_000,
                dropped: seen * 1_204,
                interfaces: self.interfaces(),
            },
            collect: exporters::collect(*self),
            table: Table { flows: seen * 18_431, limit: 262_144, evicted: 0 },
            losses: self.losses(),
            store: Store {
                rows: seen * 7_911_800,
                bytes: seen * 392_000_000 + 40_960,
                budget_bytes: 1_073_741_824,
                retention_days: 7,
                oldest_ts: self.works().then(|| now().plus_micros(-93_000_000_000)),
                newest_ts: self.works().then(now),
                bytes_written_today: seen * 214_000_000,
                bytes_written_per_day: self.works().then_some(481_000_000),
                bytes_written_per_row: self.works().then_some(58.4),
                ..Store::default()
            },
            parts: exporters::parts(*self),
            clock: Clock { state: "synchronised".into(), retention_by_age: true },
            process: Process { rss_bytes: 61_000_000, cpu_pct: of(7.4) + 0.2, ..Process::default() },
            memory: Memory { anon_bytes: 38_400_000, ring_bytes: 16_777_216, mapped_bytes: 6_200_000 },
            ..Metrics::default()
        }
    }

    fn sources(&self) -> Sources {
        exporters::sources(*self)
    }

    fn lookup(&self, _: &LookupTarget) -> LookupAnswer {
        LookupAnswer::default()
    }
}
