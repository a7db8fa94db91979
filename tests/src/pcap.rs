//! Captures: pcap in every byte order and precision, and pcapng.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng.

use std::io::Write;
use std::path::Path;

/// Order of the octets in the file's own headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Least significant first.
    Little,
    /// Most significant first.
    Big,
}

/// What a time stamp counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}

#[derive(Clone, Debug)]
struct Row {
    micros: u64,
    wire_len: usize,
    data: Vec<u8>,
}

/// Frames with their times, before they are a file.
#[derive(Clone, Debug)]
pub struct Capture {
    link: u32,
    rows: Vec<Row>,
}

/// Time of the first frame of most generated captures: 2025-10-09T08:53:20Z, in microseconds.
pub const START: u64 = 1_760_000_000_000_000;

const SNAPLEN: u32 = 262_144;

impl Capture {
    /// An empty capture of link type `link`, see [`crate::frames::link`].
    #[must_use]
    pub const fn new(link: u32) -> Self {
        Self { link, rows: Vec::new() }
    }

    /// Adds a frame seen `micros` after [`START`].
    pub fn push(&mut self, micros: u64, frame: Vec<u8>) {
        self.rows.push(Row { micros: START + micros, wire_len: frame.len(), data: frame });
    }

    /// Adds a frame of which only the first `snaplen` octets were captured.
    pub fn push_cut(&mut self, micros: u64, mut frame: Vec<u8>, snaplen: usize) {
        let wire_len = frame.len();
        frame.truncate(snaplen);
        self.rows.push(Row { micros: START + micros, wire_len, data: frame });
    }

    /// Puts the frames in order of time; frames of one instant keep theirs.
    pub fn sort(&mut self) {
        self.rows.sort_by_key(|row| row.micros);
    }

    /// How many frames there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without a frame.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The frames' octets, in order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.rows.iter().map(|row| &row.data[..])
    }

    /// The usual file: little-endian, microseconds.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.pcap(Order::Little, Precision::Micro)
    }

    /// Writes the usual file.
    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap_or_else(|e| panic!("cannot write {}: {e}", path.display()));
    }

    /// A pcap file.
    #[must_use]
    pub fn pcap(&self, order: Order, precision: Precision) -> Vec<u8> {
        let mut out = Out { bytes: Vec::new(), order };
        let (magic, scale) = match precision {
            Precision::Micro => (0xa1b2_c3d4, 1),
            Precision::Nano => (0xa1b2_3c4d, 1_000),
        };
        out.u32(magic);
        out.u16(2);
        out.u16(4);
        for word in [0, 0, SNAPLEN, self.link] {
            out.u32(word);
        }
        for row in &self.rows {
            out.u32(low(row.micros / 1_000_000));
            out.u32(low(row.micros % 1_000_000 * scale));
            out.u32(low(row.data.len() as u64));
            out.u32(low(row.wire_len as u64));
            out.bytes.extend(&row.data);
        }
        out.bytes
    }

    /// A pcapng file with one section and one interface.
    #[must_use]
    pub fn pcapng(&self, order: Order, precision: Precision) -> Vec<u8> {
        pcapng(order, precision, &[self])
    }
}

/// A pcapng file with one section and an interface for each capture, the captures one after the other.
#[must_use]
pub fn pcapng(order: Order, precision: Precision, captures: &[&Capture]) -> Vec<u8> {
    let mut out = Out { bytes: Vec::new(), order };
    out.block(0x0a0d_0d0a, |body| {
        body.u32(0x1a2b_3c4d);
        body.u16(1);
        body.u16(0);
        body.bytes.extend([0xff; 8]);
    });
    for capture in captures {
        out.block(1, |body| {
            body.u16(u16::try_from(capture.link).expect("a pcapng link type has 16 bits"));
            body.u16(0);
            body.u32(SNAPLEN);
            if precision == Precision::Nano {
                // if_tsresol: 10^-9.
                body.u16(9);
                body.u16(1);
                body.bytes.extend([9, 0, 0, 0]);
                body.u32(0);
            }
        });
    }
    for (interface, capture) in captures.iter().enumerate() {
        for row in &capture.rows {
            let ticks = if precision == Precision::Nano { row.micros * 1_000 } else { row.micros };
            out.block(6, |body| {
                body.u32(low(interface as u64));
                body.u32(low(ticks >> 32));
                body.u32(low(ticks & 0xffff_ffff));
                body.u32(low(row.data.len() as u64));
                body.u32(low(row.wire_len as u64));
                body.bytes.extend(&row.data);
            });
        }
    }
    out.bytes
}

/// The file compressed with gzip, in two members as `cat a.gz b.gz` makes them.
#[must_use]
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for half in [&bytes[..bytes.len() / 2], &bytes[bytes.len() / 2..]] {
        let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast());
        encoder.write_all(half).expect("writing to memory");
        encoder.finish().expect("writing to memory");
    }
    out
}

/// The file compressed with zstd.
#[must_use]
pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).expect("compressing in memory")
}

/// IPv4 packets and octets in a pcap file of untagged Ethernet frames, as tcpdump writes it on this machine: counted
/// here, so that the count does not come from the program under test.
///
/// # Panics
/// Where the file is something else.
#[must_use]
pub fn count_ipv4(file: &[u8]) -> (u64, u64) {
    const FILE_HEADER: usize = 24;
    const FRAME_HEADER: usize = 16;
    assert_eq!(file.get(..4), Some(&0xa1b2_c3d4_u32.to_le_bytes()[..]), "not a little-endian pcap file");
    let (mut rest, mut packets, mut octets) = (&file[FILE_HEADER..], 0, 0);
    while rest.len() >= FRAME_HEADER {
        let length: [u8; 4] = rest[8..12].try_into().expect("four octets");
        let end = FRAME_HEADER + usize::try_from(u32::from_le_bytes(length)).expect("a length");
        let frame = &rest[FRAME_HEADER..end];
        if frame[12..14] == [0x08, 0x00] {
            packets += 1;
            octets += u64::from(u16::from_be_bytes([frame[16], frame[17]]));
        }
        rest = &rest[end..];
    }
    (packets, octets)
}

fn low(value: u64) -> u32 {
    u32::try_from(value).expect("fits the field")
}

struct Out {
    bytes: Vec<u8>,
    order: Order,
}

impl Out {
    fn u16(&mut self, value: u16) {
        let bytes = if self.order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes.extend(bytes);
    }

    fn u32(&mut self, value: u32) {
        let bytes = if self.order == Order::Little { value.to_le_bytes() } else { value.to_be_bytes() };
        self.bytes.extend(bytes);
    }

    /// A pcapng block around what `fill` writes.
    fn block(&mut self, kind: u32, fill: impl FnOnce(&mut Self)) {
        let mut body = Self { bytes: Vec::new(), order: self.order };
        fill(&mut body);
        body.bytes.resize(body.bytes.len().next_multiple_of(4), 0);
        let total = low(body.bytes.len() as u64 + 12);
        self.u32(kind);
        self.u32(total);
        self.bytes.extend(body.bytes);
        self.u32(total);
    }
}
