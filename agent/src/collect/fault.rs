//! Why something that an exporter sent could not be decoded, and how often.

/// A reason. What was decoded before it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fault {
    /// The datagram is no NetFlow v5, v7, v9, IPFIX or sFlow v5.
    UnknownVersion,
    /// It ends before its header, or before what the header announces.
    Truncated,
    /// A set or a sample whose length contradicts what is around it.
    BadLength,
    /// Octets after the end that are no padding.
    TrailingOctets,
    /// A template without fields, with records of no length, or with a number that is reserved.
    BadTemplate,
    /// Data whose template did not come in time.
    NoTemplate,
    /// A record whose fields run past its set.
    BadRecord,
    /// A record with longer or more fields than anyone has to say: the rest of it is kept.
    GiantField,
    /// A template, or names that options told, which an exporter had no more room for.
    TemplateLimit,
    /// A sampled header that holds no packet that can be read.
    BadSample,
    /// Sampled data in a format that is not known.
    UnknownSample,
    /// An exporter that is not on the list of those allowed.
    NotAllowed,
    /// An exporter, or an observation domain of one, beyond the number that is kept apart.
    ExporterLimit,
}

impl Fault {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 13] = [
        Self::UnknownVersion,
        Self::Truncated,
        Self::BadLength,
        Self::TrailingOctets,
        Self::BadTemplate,
        Self::NoTemplate,
        Self::BadRecord,
        Self::GiantField,
        Self::TemplateLimit,
        Self::BadSample,
        Self::UnknownSample,
        Self::NotAllowed,
        Self::ExporterLimit,
    ];

    /// The name in summaries and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownVersion => "unknown_version",
            Self::Truncated => "truncated",
            Self::BadLength => "bad_length",
            Self::TrailingOctets => "trailing_octets",
            Self::BadTemplate => "bad_template",
            Self::NoTemplate => "no_template",
            Self::BadRecord => "bad_record",
            Self::GiantField => "giant_field",
            Self::TemplateLimit => "template_limit",
            Self::BadSample => "bad_sample",
            Self::UnknownSample => "unknown_sample",
            Self::NotAllowed => "not_allowed",
            Self::ExporterLimit => "exporter_limit",
        }
    }
}

/// How often each [`Fault`] occurred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults([u64; Fault::ALL.len()]);

impl Faults {
    /// Counts one.
    pub const fn count(&mut self, fault: Fault) {
        self.add(fault, 1);
    }

    /// Counts several.
    pub const fn add(&mut self, fault: Fault, times: u64) {
        self.0[fault as usize] += times;
    }

    /// How often `fault` occurred.
    #[must_use]
    pub const fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Reasons with their counts, those that occurred.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().map(|fault| (fault, self.of(fault))).filter(|&(_, count)| count > 0)
    }

    /// What was added since `earlier`, which is an earlier state of the same counts.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut added = *self;
        added.0.iter_mut().zip(earlier.0).for_each(|(now, then)| *now = now.saturating_sub(then));
        added
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let mut faults = Faults::default();
        for (place, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, place);
            faults.add(fault, place as u64 + 1);
        }
        let names: std::collections::BTreeSet<_> = Fault::ALL.map(Fault::as_str).into();
        assert_eq!(names.len(), Fault::ALL.len());
        let (mut twice, count) = (faults, Fault::ALL.len() as u64);
        twice.merge(&faults);
        assert_eq!(twice.total(), count * (count + 1));
        assert_eq!(twice.of(Fault::BadLength), 2 * faults.of(Fault::BadLength));
    }
}
