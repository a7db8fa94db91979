//! What a downloaded file looks like: lines of JSON or CSV, packed or not.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use weir_flow::{CSV_HEADER, FlowRecord, TenantId, Timestamp, write_csv};

use crate::ingest::Coding;

/// Level of zstd: quick, on a gateway that has other things to do.
const ZSTD_LEVEL: i32 = 1;
/// Its window, as a power of two: 512 KiB, so that a download takes no more memory than that a few times.
const ZSTD_WINDOW_LOG: u32 = 19;

/// Names of the formats, for `format`.
pub(super) const FORMATS: [(&str, Format); 6] = [
    ("ndjson", Format { lines: Lines::Ndjson, packing: Coding::Identity }),
    ("csv", Format { lines: Lines::Csv, packing: Coding::Identity }),
    ("ndjson.gz", Format { lines: Lines::Ndjson, packing: Coding::Gzip }),
    ("csv.gz", Format { lines: Lines::Csv, packing: Coding::Gzip }),
    ("ndjson.zst", Format { lines: Lines::Ndjson, packing: Coding::Zstd }),
    ("csv.zst", Format { lines: Lines::Csv, packing: Coding::Zstd }),
];

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// A JSON object, as `GET /v1/flows` lists them.
    Ndjson,
    /// The columns of `weir meter --format csv` behind those of the ring (RFC 4180).
    Csv,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) lines: Lines,
    /// How the file itself is packed, which stays so when it has arrived.
    pub(super) packing: Coding,
}

impl Format {
    /// Media type (RFC 4180 §3, RFC 6713, RFC 8878 §7).
    pub(super) const fn content_type(self) -> &'static str {
        match (self.packing, self.lines) {
            (Coding::Gzip, _) => "application/gzip",
            (Coding::Zstd, _) => "application/zstd",
            (Coding::Identity, Lines::Ndjson) => "application/x-ndjson",
            (Coding::Identity, Lines::Csv) => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The end of the file's name, which is the format's own.
    pub(super) fn extension(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("ndjson", |(name, _)| name)
    }
}

/// Writes records as lines.
pub(super) struct Writer {
    lines: Lines,
    ring_id: String,
    tenant: TenantId,
    line: Vec<u8>,
}

impl Writer {
    pub(super) const fn new(lines: Lines, ring_id: String, tenant: TenantId) -> Self {
        Self { lines, ring_id, tenant, line: Vec::new() }
    }

    /// What comes before the records.
    pub(super) fn begin(&self, to: &mut dyn Write) -> io::Result<()> {
        match self.lines {
            Lines::Ndjson => Ok(()),
            Lines::Csv => write!(to, "id,processed_at,{CSV_HEADER}"),
        }
    }

    /// One record.
    pub(super) fn record(
        &mut self,
        (row, stored): (u64, Timestamp),
        record: &FlowRecord,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let (ring, line) = (&self.ring_id, &mut self.line);
        line.clear();
        match self.lines {
            Lines::Csv => {
                write!(line, "{ring}-{row},{stored},")?;
                write_csv(record, line)?;
                to.write_all(line)
            }
            Lines::Ndjson => {
                record.write_json(line).map_err(io::Error::from)?;
                let tenant = self.tenant.as_str();
                write!(to, r#"{{"id":"{ring}-{row}","tenant_id":"{tenant}","processed_at":"{stored}","#)?;
                // Every record is an object with members: its brace gives way to ours.
                to.write_all(line.get(1..).unwrap_or_default())?;
                to.write_all(b"\n")
            }
        }
    }
}

/// Packs what is written to it.
pub(super) enum Packer<'a> {
    Plain(&'a mut dyn Write),
    Gzip(GzEncoder<&'a mut dyn Write>),
    Zstd(zstd::stream::write::Encoder<'static, &'a mut dyn Write>),
}

impl<'a> Packer<'a> {
    pub(super) fn new(coding: Coding, to: &'a mut dyn Write) -> io::Result<Self> {
        Ok(match coding {
            Coding::Identity => Self::Plain(to),
            Coding::Gzip => Self::Gzip(GzEncoder::new(to, Compression::fast())),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(to, ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW_LOG)?;
                encoder.include_checksum(true)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Writes what is left. What is not finished cannot be unpacked to its end, and so is seen to have broken off.
    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gzip(encoder) => encoder.finish().map(drop),
            Self::Zstd(encoder) => encoder.finish().map(drop),
        }
    }
}

impl Write for Packer<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(octets),
            Self::Gzip(encoder) => encoder.write(octets),
            Self::Zstd(encoder) => encoder.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) => to.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}
