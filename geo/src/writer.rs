//! Writes a MaxMind database: networks and records in, one file out.
//!
//! Used by [`crate::import_location_db`] and [`crate::build_from_csv`]. One IPv6 tree, IPv4 networks at
//! `::/96`, as <https://maxmind.github.io/MaxMind-DB/> has it.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr};

use ipnetwork::IpNetwork;

use crate::Error;
use crate::encode::{DataSection, Value, encode};
use crate::tree::{Link, SEPARATOR, Tree};

/// Octets of records; leaves room for the nodes in 32 bits.
const MAX_DATA_BYTES: u32 = 1 << 30;
/// Octets of one record: readers bound what they decode.
const MAX_RECORD_BYTES: usize = 1 << 16;
/// Bits before an IPv4 address in the tree.
const IPV4_DEPTH: u8 = 96;
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// A record that is in the database; networks share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record(Link);

impl Record {
    /// Nothing is known of the network, whatever is known of the wider one.
    pub const NOTHING: Self = Self(Link::NOTHING);
}

/// A database in the making, all in memory: 12 octets a node, and every distinct value once or twice.
///
/// The longest prefix wins, in whatever order networks are inserted; of two equal networks the later one.
#[derive(Debug)]
pub struct Writer {
    tree: Tree,
    data: DataSection,
    database_type: String,
    description: String,
}

impl Writer {
    /// An empty database that calls itself `database_type` and `description` (English);
    /// `nodes` is a guess at the size of its tree.
    #[must_use]
    pub fn new(database_type: &str, description: &str, nodes: usize) -> Self {
        Self {
            tree: Tree::with_capacity(nodes),
            data: DataSection::default(),
            database_type: database_type.to_owned(),
            description: description.to_owned(),
        }
    }

    /// Adds a record, or finds an equal one.
    ///
    /// # Errors
    /// [`Error::Full`] for a record above 64 KiB, or records above 1 GiB.
    pub fn add(&mut self, value: &Value<'_>) -> Result<Record, Error> {
        let mut plain = Vec::new();
        encode(value, &mut plain);
        if plain.len() > MAX_RECORD_BYTES {
            return Err(Error::Full { what: "octets in a record", limit: 1 << 16 });
        }
        if self.data.bytes().len() + plain.len() > MAX_DATA_BYTES as usize {
            return Err(Error::Full { what: "octets of records", limit: MAX_DATA_BYTES });
        }
        Ok(Record(Link::data(self.data.add(value))))
    }

    /// Says what `network` answers; an IPv4-mapped network (`::ffff:0:0/96`) is an IPv4 network.
    ///
    /// # Errors
    /// [`Error::Full`] when the tree has no room.
    pub fn insert(&mut self, network: IpNetwork, record: Record) -> Result<(), Error> {
        let (bits, length) = match network.ip() {
            IpAddr::V4(ip) => (u128::from(u32::from(ip)), IPV4_DEPTH + network.prefix()),
            IpAddr::V6(ip) if network.prefix() >= IPV4_DEPTH => (unmapped(ip), network.prefix()),
            IpAddr::V6(ip) => (u128::from(ip), network.prefix()),
        };
        self.tree.insert(bits, length, record.0)
    }

    /// Writes the database, built at `build_epoch` (seconds since 1970); how many tree nodes it has.
    ///
    /// # Errors
    /// What `out` answers; [`io::ErrorKind::InvalidData`] when it does not fit in 32-bit records.
    pub fn finish(self, build_epoch: u64, out: &mut impl Write) -> io::Result<u32> {
        let tree = self.tree.settle();
        let data = self.data.bytes();
        let octets = u32::try_from(data.len()).ok();
        let record_size = octets.and_then(|octets| tree.record_size(octets)).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, "more nodes than 32-bit records address")
        })?;
        tree.write(record_size, out)?;
        out.write_all(&[0; SEPARATOR as usize])?;
        out.write_all(data)?;
        out.write_all(METADATA_MARKER)?;
        let metadata = Value::Map(vec![
            ("binary_format_major_version", Value::U16(2)),
            ("binary_format_minor_version", Value::U16(0)),
            ("build_epoch", Value::U64(build_epoch)),
            ("database_type", Value::Text(&self.database_type)),
            ("description", Value::Map(vec![("en", Value::Text(&self.description))])),
            ("ip_version", Value::U16(6)),
            ("languages", Value::Array(vec![Value::Text("en")])),
            ("node_count", Value::U32(tree.count())),
            ("record_size", Value::U16(record_size)),
        ]);
        let mut encoded = Vec::new();
        encode(&metadata, &mut encoded);
        out.write_all(&encoded)?;
        Ok(tree.count())
    }
}

/// The bits in the tree, where IPv4 is at `::/96`.
fn unmapped(ip: Ipv6Addr) -> u128 {
    ip.to_ipv4_mapped().map_or(u128::from(ip), |ip| u128::from(u32::from(ip)))
}
