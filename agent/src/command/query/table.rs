//! Records in aligned columns, for people at a terminal.

use std::io::{self, IsTerminal};

use serde_json::Value;
use weir_store::StoredRow;

use crate::command::output::Output;

/// Columns, in order; the name is the one that gives way where the terminal is narrow.
const COLUMNS: [&str; 9] =
    ["start (UTC)", "from", "to", "proto", "name", "octets", "country", "risk", "tags"];
const NAME: usize = 4;
const OCTETS: usize = 5;
const RISK: usize = 7;
/// The name is never cut below this.
const MIN_NAME: usize = 8;
/// A name that is longer is cut in a file too: domains have up to 253 octets, and one must not widen all lines.
const MAX_NAME: usize = 64;
/// Characters between two columns.
const GAP: usize = 2;

/// A table whose columns grow with what came so far.
pub(in crate::command) struct Table {
    widths: [usize; COLUMNS.len()],
    /// Characters of a line; none when nobody looks at a terminal.
    limit: Option<usize>,
    begun: bool,
}

impl Table {
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let limit = out.is_terminal().then(|| rustix::termios::tcgetwinsize(&out).ok()).flatten();
        let limit = limit.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0);
        Self { widths: COLUMNS.map(|name| name.chars().count()), limit, begun: false }
    }

    /// Writes a page of records.
    pub(super) fn page(&mut self, rows: &[StoredRow], out: &mut Output) {
        let cells: Vec<_> = rows.iter().map(|row| cells(&row.json)).collect();
        for row in &cells {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.fit();
        if !self.begun && !cells.is_empty() {
            out.line(&self.line(&COLUMNS.map(str::to_owned)));
            self.begun = true;
        }
        cells.iter().for_each(|row| out.line(&self.line(row)));
    }

    /// Cuts the names so that a line fits, as far as that goes.
    fn fit(&mut self) {
        let all: usize = self.widths.iter().sum::<usize>() + GAP * (COLUMNS.len() - 1);
        let over = self.limit.map_or(0, |limit| all.saturating_sub(limit));
        let name = &mut self.widths[NAME];
        *name = name.saturating_sub(over).max(MIN_NAME).min((*name).min(MAX_NAME));
    }

    fn line(&self, row: &[String; COLUMNS.len()]) -> String {
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(&self.widths).enumerate() {
            let cell = cut(cell, width);
            let is_number = [OCTETS, RISK].contains(&at);
            let padded = if is_number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line += &padded;
            line += &" ".repeat(GAP);
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// What a line says of a record.
fn cells(json: &str) -> [String; COLUMNS.len()] {
    let record: Value = serde_json::from_str(json).unwrap_or_default();
    let text = |name: &str| plain(record[name].as_str().unwrap_or_default());
    let end = |side: &str| {
        let address = text(&format!("{side}_ip"));
        match record[format!("{side}_port")].as_u64() {
            Some(port) if address.contains(':') => format!("[{address}]:{port}"),
            Some(port) => format!("{address}:{port}"),
            None => address,
        }
    };
    let start = text("ts");
    let start = start.get(..19).unwrap_or(&start).replace('T', " ");
    let name = ["domain", "service", "kind"].map(text).into_iter().find(|name| !name.is_empty());
    let country = plain(record["geo"]["country"].as_str().unwrap_or_default());
    let tags = record["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let number = |name: &str| record[name].as_u64();
    [
        start,
        end("src"),
        end("dst"),
        text("proto"),
        name.unwrap_or_default(),
        number("bytes").map(octets).unwrap_or_default(),
        country,
        number("risk_score").map(|risk| risk.to_string()).unwrap_or_default(),
        plain(&tags.collect::<Vec<_>>().join(" ")),
    ]
}

/// Octets in the greatest unit of which there is one; 1 kB is 1,000.
pub(in crate::command) fn octets(count: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let count = count as f64;
    let units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)];
    match units.iter().find(|(_, size)| count >= *size) {
        Some((unit, size)) => format!("{:.1} {unit}", count / size),
        None => format!("{count} B"),
    }
}

/// Text from the network without what a terminal takes for a command, or what turns its direction.
pub(in crate::command) fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if c.is_control() || turns(c) { '·' } else { c }).collect()
}

/// Lines of aligned cells; those in the columns `right` end together.
pub(in crate::command) fn aligned<const N: usize>(rows: &[[String; N]], right: &[usize]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| {
            if right.contains(&at) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use weir_store::StoredRow;

    use super::{COLUMNS, Table, cells, octets, plain};

    fn row(domain: &str) -> StoredRow {
        let json = format!(
            r#"{{"ts":"2026-11-21T06:00:00.123Z","src_ip":"2001:db8::1","src_port":5,"dst_ip":"9.9.9.9","proto":"tcp","domain":"{domain}","bytes":1500,"geo":{{"country":"DE"}},"risk_score":7,"tags":["ti"]}}"#
        );
        StoredRow { id: String::new(), row: 1, json }
    }

    #[test]
    fn a_line_says_who_spoke_with_whom() {
        let expected = [
            "2026-11-21 06:00:00",
            "[2001:db8::1]:5",
            "9.9.9.9",
            "tcp",
            "a.example",
            "1.5 kB",
            "DE",
            "7",
            "ti",
        ];
        assert_eq!(cells(&row("a.example").json), expected.map(str::to_owned));
        assert_eq!(cells("no json"), [""; 9].map(str::to_owned));
    }

    #[test]
    fn the_name_gives_way_where_the_terminal_is_narrow() {
        let mut table = Table { widths: COLUMNS.map(str::len), limit: Some(90), begun: false };
        let long = row(&"x".repeat(200));
        for (width, cell) in table.widths.iter_mut().zip(cells(&long.json)) {
            *width = (*width).max(cell.chars().count());
        }
        table.fit();
        let line = table.line(&cells(&long.json));
        assert!(line.chars().count() <= 90 && line.contains('…') && line.ends_with("ti"), "{line}");
    }

    #[test]
    fn names_cannot_speak_to_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n\u{202e}c"), "a·[2Jb··c");
        assert_eq!([octets(999), octets(1_000), octets(u64::MAX)], ["999 B", "1.0 kB", "18446744.1 TB"]);
    }
}
