//! Risk by rubric: points for what is known against a flow, with the weights of the configuration.

use serde::{Deserialize, Serialize};
use weir_flow::{FlowRecord, Reason, Risk, Verdict};

/// Section `[risk]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Points of every flow.
    pub base: Points,
    /// Points when an indicator matches.
    pub threat_match: Points,
    /// Scale the points of a match by the confidence of the surest one.
    pub scale_by_confidence: bool,
    /// Points when the responder's port is in `risky_ports`.
    pub risky_port: Points,
    /// Ports of services that are attacked often.
    pub risky_ports: Vec<u16>,
    /// Points for more than `large_transfer_bytes` from an ephemeral port.
    pub large_transfer: Points,
    /// Octets, both directions, above which a transfer is large.
    pub large_transfer_bytes: u64,
}

/// Ports from which clients speak: all but the well-known ones.
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 1_024..=65_535;

impl Default for Config {
    fn default() -> Self {
        Self {
            base: Points(10),
            threat_match: Points(60),
            scale_by_confidence: false,
            risky_port: Points(10),
            risky_ports: vec![23, 445, 1433, 3389],
            large_transfer: Points(10),
            large_transfer_bytes: 1_000_000,
        }
    }
}

impl Config {
    /// True when the responder's port is in the list.
    #[must_use]
    pub fn is_risky_port(&self, record: &FlowRecord) -> bool {
        record.dst_port.is_some_and(|port| self.risky_ports.contains(&port))
    }

    /// True for many octets from an ephemeral port.
    #[must_use]
    pub fn is_large_transfer(&self, record: &FlowRecord) -> bool {
        record.octets() > self.large_transfer_bytes
            && record.src_port.is_some_and(|port| EPHEMERAL_PORTS.contains(&port))
    }
}

/// Points: 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "u64")]
pub struct Points(u8);

impl TryFrom<u64> for Points {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        match u8::try_from(value) {
            Ok(points @ 0..=100) => Ok(Self(points)),
            _ => Err(format!("{value} is not a number of points; choose 0 to 100")),
        }
    }
}

/// The risk of `record`, given what `verdict` says.
#[must_use]
pub fn score(config: &Config, record: &FlowRecord, verdict: &Verdict) -> Risk {
    let mut risk = Risk::default();
    risk.add(Reason::Base, config.base.0);
    if let Some(surest) = verdict.matches.iter().map(|found| found.confidence).max() {
        risk.add(Reason::ThreatMatch, threat_points(config, surest));
    }
    if config.is_risky_port(record) {
        risk.add(Reason::RiskyPort, config.risky_port.0);
    }
    if config.is_large_transfer(record) {
        risk.add(Reason::LargeTransfer, config.large_transfer.0);
    }
    risk
}

fn threat_points(config: &Config, confidence: u8) -> u8 {
    if !config.scale_by_confidence {
        return config.threat_match.0;
    }
    let scaled = u16::from(config.threat_match.0) * u16::from(confidence.min(100)) / 100;
    u8::try_from(scaled).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use weir_flow::{Counters, Field, FlowRecord, IndicatorKind, Match, Reason, Verdict};

    use super::{Config, score};

    fn flow(src_port: u16, dst_port: u16, octets: u64) -> FlowRecord {
        FlowRecord {
            src_port: Some(src_port),
            dst_port: Some(dst_port),
            forward: Counters { octets, packets: 1 },
            ..FlowRecord::default()
        }
    }

    fn threat() -> Verdict {
        let found = Match {
            indicator: "192.0.2.0/24".into(),
            kind: IndicatorKind::Cidr,
            category: "unknown".into(),
            confidence: 50,
            source: "test".into(),
            field: Field::DstIp,
        };
        Verdict { matches: vec![found] }
    }

    #[test]
    fn gives_the_points_of_the_rubric() {
        let (config, nothing) = (Config::default(), Verdict::default());
        let cases = [
            (flow(40_000, 443, 10), &threat(), 70),
            (flow(40_000, 3389, 1_000_001), &nothing, 30),
            (flow(1_023, 23, 5_000_000), &threat(), 80),
            (flow(40_000, 53, 80), &threat(), 70),
            (flow(40_000, 3389, 2_000_000), &threat(), 90),
            (flow(40_000, 443, 1_000_000), &nothing, 10),
            (flow(40_000, 1433, 10), &nothing, 20),
            (flow(40_000, 443, 1_000_001), &nothing, 20),
        ];
        for (record, verdict, points) in cases {
            let risk = score(&config, &record, verdict);
            assert_eq!(risk.score(), points, "{record:?}");
            assert_eq!(risk.reasons().iter().map(|&(_, points)| points).sum::<u8>(), points);
        }
    }

    #[test]
    fn confidence_scales_a_match_only_when_asked() {
        let config = Config { scale_by_confidence: true, ..Config::default() };
        let risk = score(&config, &flow(40_000, 443, 10), &threat());
        assert_eq!(risk.reasons(), &[(Reason::Base, 10), (Reason::ThreatMatch, 30)]);
    }
}
