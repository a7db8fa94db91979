//! What the name of a file says: which log it is of, and whether it is the one that Zeek writes to.

use weir_flow::Text;
use weir_intake::zeek::log_name;

/// Endings of log files.
const ENDINGS: [&str; 4] = ["log", "json", "ndjson", "jsonl"];

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// What the name of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// The file that Zeek writes this log to, such as `conn.log`.
    pub(super) live: String,
    /// The log, such as `conn`.
    pub(super) log: Text,
    /// Not the file that Zeek writes to, but one that was.
    pub(super) is_rotated: bool,
    pub(super) packing: Packing,
}

impl Name {
    /// Reads a file's name; `None` when it is no log's.
    pub(super) fn parse(file: &str) -> Option<Self> {
        if file.starts_with('.') {
            return None;
        }
        let (plain, packing) = unpacked(file);
        let (stem, ending, is_numbered) = split_ending(plain)?;
        let first = before_stamp(stem);
        let live = format!("{first}.{ending}");
        let log = log_name(&live).unwrap_or_else(|| first.into());
        let is_rotated = is_numbered || first.len() < stem.len() || packing != Packing::Plain;
        (!first.is_empty()).then_some(Self { live, log, is_rotated, packing })
    }
}

fn unpacked(file: &str) -> (&str, Packing) {
    if let Some(plain) = file.strip_suffix(".gz") {
        return (plain, Packing::Gzip);
    }
    file.strip_suffix(".zst").map_or((file, Packing::Plain), |plain| (plain, Packing::Zstd))
}

/// Stem and ending, and whether logrotate(8) put a number or a date behind them.
fn split_ending(file: &str) -> Option<(&str, &str, bool)> {
    let known = |ending: &str| ENDINGS.into_iter().find(|&one| one == ending);
    let (stem, last) = file.rsplit_once('.')?;
    if let Some(ending) = known(last) {
        return Some((stem, ending, false));
    }
    let (front, number) = file.rsplit_once(['.', '-']).filter(|(_, number)| is_stamp(number))?;
    let (stem, ending) = front.rsplit_once('.')?;
    known(ending).map(|ending| (stem, ending, !number.is_empty()))
}

/// What stands before the first number or date: rotation puts it behind the log's name.
fn before_stamp(stem: &str) -> &str {
    let mut from = 0;
    while let Some(at) = stem[from..].find(['.', '-', '_']).map(|at| from + at) {
        let (front, rest) = stem.split_at(at);
        let after = match rest.strip_prefix("__") {
            Some(after) => Some(after),
            None if rest.starts_with('_') => None,
            None => rest.get(1..),
        };
        let token = after.map(|after| after.split(['.', '-']).next().unwrap_or_default());
        if token.is_some_and(is_stamp) {
            return front;
        }
        from = at + 1;
    }
    stem
}

/// A number, a date or a time of day.
fn is_stamp(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_digit())
        && token.chars().all(|one| one.is_ascii_digit() || matches!(one, ':' | '_' | 'T' | 'Z'))
}

#[cfg(test)]
mod tests {
    use super::{Name, Packing};

    fn told(file: &str) -> Option<(String, bool, Packing)> {
        Name::parse(file).map(|name| (name.live, name.is_rotated, name.packing))
    }

    #[test]
    fn the_file_that_zeek_writes_to_is_told_from_those_that_were_rotated() {
        for live in ["conn.log", "x509.log", "known_hosts.log", "json_streaming_conn.log", "802_1x.log"] {
            assert_eq!(told(live), Some((live.to_owned(), false, Packing::Plain)), "{live}");
        }
        for rotated in [
            "conn.2026-11-21-10-00-00.log",
            "conn-26-11-21_10.00.00.log",
            "conn.10:00:00-11:00:00.log",
            "conn__2026-11-21-10-00-00__2026-11-21-11-00-00__.log",
            "conn.1.log",
            "conn.log.1",
            "conn.log-20261121",
        ] {
            assert_eq!(told(rotated), Some(("conn.log".to_owned(), true, Packing::Plain)), "{rotated}");
            let packed = told(&format!("{rotated}.gz"));
            assert_eq!(packed, Some(("conn.log".to_owned(), true, Packing::Gzip)), "{rotated}");
        }
        assert_eq!(told("conn.log.zst"), Some(("conn.log".to_owned(), true, Packing::Zstd)));
        assert_eq!(told("known_hosts.1.json").unwrap().0, "known_hosts.json");
    }

    #[test]
    fn other_files_are_no_logs() {
        for other in [
            "",
            ".log",
            ".conn.log.gz.tmp",
            "conn",
            "conn.pcap",
            "conn.log.bak",
            "-1.log",
            "conn.log.gz.part",
        ] {
            assert_eq!(told(other), None, "{other}");
        }
    }
}
