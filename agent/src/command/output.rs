//! Records on standard output: one JSON object or one line of CSV each.

use std::io::{self, IsTerminal, StdoutLock, Write};

use weir_flow::{CSV_HEADER, FlowRecord, write_csv, write_csv_of_json};

/// How many octets are written at a time when standard output is not a terminal.
const PIECE: usize = 64 * 1024;

/// Formats of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// One JSON object per line.
    #[default]
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
}

/// Standard output as a place for records. After the first failure nothing more is written.
pub(super) struct Output {
    out: StdoutLock<'static>,
    format: Format,
    piece: Vec<u8>,
    limit: usize,
    failed: Option<io::Error>,
    records: u64,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        let out = io::stdout().lock();
        let limit = if out.is_terminal() { 0 } else { PIECE };
        let mut piece = Vec::with_capacity(PIECE + 4_096);
        if format == Format::Csv {
            piece.extend_from_slice(CSV_HEADER.as_bytes());
        }
        Self { out, format, piece, limit, failed: None, records: 0 }
    }

    /// Writes one record.
    pub(super) fn write(&mut self, record: &FlowRecord) {
        self.records += 1;
        let written = match self.format {
            Format::Ndjson => record.write_json(&mut self.piece).map_err(io::Error::from),
            Format::Csv => write_csv(record, &mut self.piece),
        };
        if let Err(error) = written {
            self.failed.get_or_insert(error);
            return;
        }
        if self.format == Format::Ndjson {
            self.piece.push(b'\n');
        }
        self.settle();
    }

    /// Standard output for lines that are ready; nothing comes before the first.
    pub(super) fn lines() -> Self {
        Self::new(Format::Ndjson)
    }

    /// Writes a record that is at hand as its JSON object.
    pub(super) fn json(&mut self, json: &str) {
        self.records += 1;
        match self.format {
            Format::Ndjson => self.line(json),
            Format::Csv => {
                let written = serde_json::from_str(json)
                    .map_err(io::Error::from)
                    .and_then(|record| write_csv_of_json(&record, &mut self.piece));
                if let Err(error) = written {
                    self.failed.get_or_insert(error);
                }
                self.settle();
            }
        }
    }

    /// Writes a line.
    pub(super) fn line(&mut self, line: &str) {
        self.piece.extend_from_slice(line.as_bytes());
        self.piece.push(b'\n');
        self.settle();
    }

    /// Records taken so far.
    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// True when nobody reads any more, or the disk is full: there is no use in going on.
    pub(super) const fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes what is left. A reader that has closed the pipe is no error: it has seen enough.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.flush();
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }

    fn settle(&mut self) {
        if self.piece.len() > self.limit {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.failed.is_none()
            && let Err(error) = self.out.write_all(&self.piece).and_then(|()| self.out.flush())
        {
            self.failed = Some(error);
        }
        self.piece.clear();
    }
}
