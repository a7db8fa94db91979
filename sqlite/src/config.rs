//! The `[store]` section: from the configuration file to the writer and the disk watch.

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// Settings of the store.
#[derive(Deserialize, Serialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Rows older than this are trimmed.
    pub retention_days: RetentionDays,
    /// Bytes on disk, file and write-ahead log together, above which the oldest rows are trimmed.
    pub budget_bytes: BudgetBytes,
    /// Free space on the disk below which the ring stops growing.
    pub reserve_bytes: ReserveBytes,
    /// Records wait no longer than this for a commit.
    pub commit_seconds: CommitSeconds,
    /// As many records are committed at once, without waiting.
    pub commit_records: CommitRecords,
    /// A record whose JSON is longer is kept as a dead letter.
    pub max_record_bytes: MaxRecordBytes,
    /// Dead letters older than this are removed.
    pub dead_letter_days: DeadLetterDays,
    /// Bytes of all dead letters, above which the oldest are removed; they never take more than an eighth of
    /// `budget_bytes`, which counts them.
    pub dead_letter_bytes: DeadLetterBytes,
}

/// An integer with bounds, refused with its bounds when it lies outside.
macro_rules! bounded {
    ($(#[$doc:meta])* $name:ident: $int:ty = $default:expr, $min:expr, $max:expr, $unit:literal) => {
        $(#[$doc])*
        #[derive(Deserialize, Serialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(try_from = "i64")]
        pub struct $name($int);

        impl $name {
            /// The least value.
            pub const MIN: $int = $min;
            /// The greatest value.
            pub const MAX: $int = $max;

            /// Checks a value.
            ///
            /// # Errors
            /// Says what is allowed.
            pub fn new(value: $int) -> Result<Self, String> {
                if (Self::MIN..=Self::MAX).contains(&value) {
                    return Ok(Self(value));
                }
                Err(format!("must be {} to {} {}, not {value}", Self::MIN, Self::MAX, $unit))
            }

            /// The value.
            #[must_use]
            pub const fn value(self) -> $int {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl TryFrom<i64> for $name {
            type Error = String;

            fn try_from(value: i64) -> Result<Self, String> {
                let outside = || format!("must be {} to {} {}, not {value}", Self::MIN, Self::MAX, $unit);
                <$int>::try_from(value).map_err(|_| outside()).and_then(Self::new)
            }
        }
    };
}

bounded!(
    /// How long rows are kept, 1 to 3,650 days, 7 unless told.
    RetentionDays: u32 = 7, 1, 3_650, "days"
);
bounded!(
    /// How much of the disk the ring may take, 4 MiB to 1 TiB, 1 GiB unless told.
    BudgetBytes: u64 = 1_024 * MIB, 4 * MIB, MIB * MIB, "bytes"
);
bounded!(
    /// How much of the disk is left free, up to 1 TiB, 64 MiB unless told.
    ReserveBytes: u64 = 64 * MIB, 0, MIB * MIB, "bytes"
);
bounded!(
    /// How long records wait for a commit, 1 to 60 seconds, 2 unless told; what a power cut can lose.
    CommitSeconds: u32 = 2, 1, 60, "seconds"
);
bounded!(
    /// How many records make a commit at once, 1 to 65,536, 4,096 unless told.
    CommitRecords: u32 = 4_096, 1, 65_536, "records"
);
bounded!(
    /// How long the JSON of a record may be, 4 KiB to 1 MiB, 1 MiB unless told: what a block holds sets the greatest
    /// value, and no flow without extras is longer than the least.
    MaxRecordBytes: usize = crate::MAX_RECORD_BYTES, 4 << 10, crate::MAX_RECORD_BYTES, "bytes"
);
bounded!(
    /// How long dead letters are kept, 1 to 3,650 days, 7 unless told.
    DeadLetterDays: u32 = 7, 1, 3_650, "days"
);
bounded!(
    /// How much dead letters may take, up to 1 TiB, 100 MiB unless told; none are kept at 0.
    DeadLetterBytes: u64 = 100 * MIB, 0, MIB * MIB, "bytes"
);

#[cfg(test)]
mod tests {
    use super::Config;

    #[test]
    fn what_is_not_given_has_its_default() {
        let config: Config = toml::from_str("retention_days = 30").unwrap();
        assert_eq!(config.retention_days.value(), 30);
        assert_eq!(config.budget_bytes.value(), 1 << 30);
        assert_eq!(config.reserve_bytes.value(), 64 << 20);
        assert_eq!((config.commit_seconds.value(), config.commit_records.value()), (2, 4_096));
        assert_eq!((config.dead_letter_days.value(), config.dead_letter_bytes.value()), (7, 100 << 20));
        assert_eq!(config.max_record_bytes.value(), 1 << 20);
    }

    #[test]
    fn a_value_outside_its_bounds_is_refused_with_the_bounds() {
        let cases = [
            ("retention_days = 0", "must be 1 to 3650 days, not 0"),
            ("budget_bytes = 1000", "must be 4194304 to 1099511627776 bytes, not 1000"),
            ("commit_seconds = -1", "must be 1 to 60 seconds, not -1"),
            ("max_record_bytes = 1048577", "must be 4096 to 1048576 bytes, not 1048577"),
            ("dead_letter_days = 0", "must be 1 to 3650 days, not 0"),
            ("retention = 7", "unknown field `retention`"),
        ];
        for (text, told) in cases {
            let error = toml::from_str::<Config>(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
