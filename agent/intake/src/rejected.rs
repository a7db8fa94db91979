//! Why a record is not taken.

use std::fmt;

/// A record, or a line of a log, that cannot be taken: what is wrong, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What is wrong, for counters.
    pub reason: Reason,
    /// The member that is wrong, or those that are missing; empty when it is the whole.
    pub field: &'static str,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Reason {
    /// Octets that are not UTF-8.
    BadUtf8,
    /// Text that is not JSON.
    InvalidJson,
    /// JSON that is no object.
    NotAnObject,
    /// More than a record may have.
    TooLarge,
    /// A member that must be there is not.
    MissingFields,
    /// A time that is none.
    BadTime,
    /// An address that is none.
    BadAddress,
    /// A port outside 0 to 65535.
    BadPort,
    /// A protocol that is neither a known name nor 0 to 255.
    BadProtocol,
    /// A count or another number that is none.
    BadNumber,
    /// A line of a log with another number of columns than its header names.
    WrongColumns,
    /// A line of a log before its header.
    NoHeader,
    /// A header that cannot be used.
    BadHeader,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::BadUtf8,
        Self::InvalidJson,
        Self::NotAnObject,
        Self::TooLarge,
        Self::MissingFields,
        Self::BadTime,
        Self::BadAddress,
        Self::BadPort,
        Self::BadProtocol,
        Self::BadNumber,
        Self::WrongColumns,
        Self::NoHeader,
        Self::BadHeader,
    ];

    /// The name in metrics and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadUtf8 => "bad_utf8",
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::TooLarge => "record_too_large",
            Self::MissingFields => "missing_fields",
            Self::BadTime => "bad_time",
            Self::BadAddress => "bad_address",
            Self::BadPort => "bad_port",
            Self::BadProtocol => "bad_protocol",
            Self::BadNumber => "bad_number",
            Self::WrongColumns => "wrong_columns",
            Self::NoHeader => "no_header",
            Self::BadHeader => "bad_header",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::BadUtf8 => "not UTF-8",
            Self::InvalidJson => "not valid JSON",
            Self::NotAnObject => "not a JSON object",
            Self::TooLarge => "larger than a record may be",
            Self::MissingFields => "missing required fields",
            Self::BadTime => "no time that can be read",
            Self::BadAddress => "no IP address",
            Self::BadPort => "no port from 0 to 65535",
            Self::BadProtocol => "no protocol name or number from 0 to 255",
            Self::BadNumber => "no number that fits",
            Self::WrongColumns => "not as many columns as the header names",
            Self::NoHeader => "before any header",
            Self::BadHeader => "a header that cannot be used",
        }
    }

    /// A rejection for this reason because of `field`.
    #[must_use]
    pub const fn of(self, field: &'static str) -> Rejected {
        Rejected { reason: self, field }
    }
}

/// Reads well after "Record 3: ".
impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        if self.field.is_empty() { Ok(()) } else { write!(f, " ({})", self.field) }
    }
}

impl std::error::Error for Rejected {}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn reasons_count_up_so_that_counters_can_be_a_list() {
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, at);
        }
        assert_eq!(
            Reason::MissingFields.of("ts or id.orig_h").to_string(),
            "missing required fields (ts or id.orig_h)"
        );
    }
}
