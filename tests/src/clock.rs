//! The wall clock, for what is made to look as of now.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
///
/// # Panics
/// Where the machine's clock is before 1970.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "exporters read the wall clock, and so must what plays one")]
pub fn millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since.as_millis()).expect("before the year 584 million")
}

/// Seconds since 1970.
///
/// # Panics
/// Where the machine's clock is before 1970 or after 2106.
#[must_use]
pub fn seconds() -> u32 {
    u32::try_from(millis() / 1_000).expect("before 2106")
}
