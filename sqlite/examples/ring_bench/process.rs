//! What the kernel counts of this process.

use std::fs;

use super::Failure;

/// Bytes that this process caused to be written to disk: proc(5), `write_bytes` of io.
pub(crate) fn written_bytes() -> Result<u64, Failure> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes in /proc/self/io")?.parse()?)
}
