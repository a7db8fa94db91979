//! A flow's risk and the reasons for it.

use serde::{Serialize, Serializer, ser::SerializeSeq};

/// No record has more reasons than this.
pub const MAX_REASONS: usize = 8;

/// Why points were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// What every flow starts with.
    #[default]
    Base,
    /// An indicator matched.
    ThreatMatch,
    /// The destination port is one that is often attacked.
    RiskyPort,
    /// Many octets from an ephemeral port.
    LargeTransfer,
}

impl Reason {
    /// The name in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::ThreatMatch => "threat_match",
            Self::RiskyPort => "risky_port",
            Self::LargeTransfer => "large_transfer",
        }
    }
}

/// Score from 0 to 100 and the reasons, whose points sum to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    score: u8,
    len: u8,
    reasons: [(Reason, u8); MAX_REASONS],
}

impl Risk {
    /// Adds `points` for `reason`, as many as fit below 100; a reason without points is not kept.
    pub fn add(&mut self, reason: Reason, points: u8) {
        let points = points.min(100 - self.score);
        if points == 0 || usize::from(self.len) == MAX_REASONS {
            return;
        }
        self.reasons[usize::from(self.len)] = (reason, points);
        self.len += 1;
        self.score += points;
    }

    /// 0 to 100.
    #[must_use]
    pub const fn score(&self) -> u8 {
        self.score
    }

    /// Reasons with their points, in the order they were given.
    #[must_use]
    pub fn reasons(&self) -> &[(Reason, u8)] {
        &self.reasons[..usize::from(self.len)]
    }
}

/// The list of reasons as JSON, `[{"reason":"base","points":10}]`.
pub(crate) struct Reasons<'a>(pub(crate) &'a Risk);

impl Serialize for Reasons<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Row {
            reason: &'static str,
            points: u8,
        }
        let mut seq = serializer.serialize_seq(Some(self.0.reasons().len()))?;
        for &(reason, points) in self.0.reasons() {
            seq.serialize_element(&Row { reason: reason.as_str(), points })?;
        }
        seq.end()
    }
}

impl Risk {
    /// The reasons as a serializable list, `[{"reason":"base","points":10}]`.
    #[must_use]
    pub fn reasons_json(&self) -> impl Serialize + '_ {
        Reasons(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, Risk};

    #[test]
    fn points_sum_to_the_score_and_stop_at_100() {
        let mut risk = Risk::default();
        for (reason, points) in [(Reason::Base, 60), (Reason::ThreatMatch, 60), (Reason::RiskyPort, 10)] {
            risk.add(reason, points);
        }
        assert_eq!(risk.score(), 100);
        assert_eq!(risk.reasons(), &[(Reason::Base, 60), (Reason::ThreatMatch, 40)]);
    }
}
