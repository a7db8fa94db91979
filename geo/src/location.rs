//! Reads IPFire's location database (libloc, format version 1): Debian package `libloc-database`.
//!
//! Networks come out in the order of the tree and go to [`crate::import_location_db`]. The crate `libloc`
//! answers for single addresses only, maps the file and panics on a damaged one; it is the oracle of the
//! tests here. Source: libloc, `src/libloc/format.h`.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

use crate::Error;
use crate::file::read_bounded;

/// The largest location database that is read, in octets: it is held in memory. Today's has 55 MB.
pub(crate) const MAX_LOCATION_BYTES: u64 = 256 << 20;

const MAGIC: &[u8] = b"LOCDBXX\x01";
/// Where the header has the time of creation and the tables.
const CREATED_AT: usize = 8;
const AS_TABLE: usize = 28;
const NETWORK_TABLE: usize = 36;
const NODE_TABLE: usize = 44;
const STRING_POOL: usize = 60;
/// Octets of a row.
const AS_ROW: usize = 8;
const NETWORK_ROW: usize = 12;
const NODE_ROW: usize = 12;
const NO_NETWORK: u32 = u32::MAX;
/// Bits of an address: no branch is deeper.
const ADDRESS_BITS: u8 = 128;

/// A location database in memory; every look into it is bounds-checked.
pub(crate) struct LocationDb {
    path: PathBuf,
    bytes: Vec<u8>,
    systems: Table,
    networks: Table,
    nodes: Table,
    strings: Table,
    created_at: u64,
}

/// Rows in the file.
#[derive(Clone, Copy)]
struct Table {
    offset: usize,
    rows: usize,
    row: usize,
}

/// A network and what it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocationNetwork {
    /// IPv4 networks are such.
    pub(crate) network: IpNetwork,
    /// ISO 3166 code or one of libloc's own (`XX` unknown, `A1` proxy, `XD` hostile …).
    pub(crate) country: [u8; 2],
    /// AS number, 0 when unknown.
    pub(crate) asn: u32,
}

impl LocationDb {
    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::TooLarge`], [`Error::NotLocation`].
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let bytes = read_bounded(path, MAX_LOCATION_BYTES)?;
        let wrong = |reason| Error::NotLocation { path: path.to_owned(), reason };
        if !bytes.starts_with(MAGIC) {
            return Err(wrong("it does not start with LOCDBXX and version 1"));
        }
        let table =
            |at, row| Table::read(&bytes, at, row).ok_or_else(|| wrong("a table lies outside the file"));
        let created_at = bytes.get(CREATED_AT..CREATED_AT + 8).and_then(|octets| octets.try_into().ok());
        let (systems, networks) = (table(AS_TABLE, AS_ROW)?, table(NETWORK_TABLE, NETWORK_ROW)?);
        let (nodes, strings) = (table(NODE_TABLE, NODE_ROW)?, table(STRING_POOL, 1)?);
        if nodes.rows == 0 {
            return Err(wrong("its tree is empty"));
        }
        let created_at = created_at.map(u64::from_be_bytes).ok_or_else(|| wrong("its header is cut off"))?;
        Ok(Self { path: path.to_owned(), bytes, systems, networks, nodes, strings, created_at })
    }

    /// When it was made, in seconds since 1970.
    pub(crate) const fn created_at(&self) -> u64 {
        self.created_at
    }

    /// Nodes of its tree.
    pub(crate) const fn node_count(&self) -> usize {
        self.nodes.rows
    }

    /// Name of an AS; `None` where there is none, or none that is UTF-8.
    pub(crate) fn system_name(&self, asn: u32) -> Option<&str> {
        let (mut low, mut high) = (0, self.systems.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            let number = self.word(self.systems, middle, 0)?;
            match number.cmp(&asn) {
                std::cmp::Ordering::Equal => return self.text(self.word(self.systems, middle, 4)?),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Hands every network to `each`, wider ones first.
    ///
    /// # Errors
    /// What `each` answers; [`Error::NotLocation`] where the tree is none: a loop, a branch that is too deep
    /// or leads outside.
    pub(crate) fn for_each(
        &self,
        mut each: impl FnMut(LocationNetwork) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let wrong = |reason| Error::NotLocation { path: self.path.clone(), reason };
        let mut waiting = vec![(0_u32, 0_u128, 0_u8)];
        let mut visits = 0;
        while let Some((node, bits, depth)) = waiting.pop() {
            visits += 1;
            if visits > self.nodes.rows {
                return Err(wrong("its tree has a loop"));
            }
            let outside = || wrong("a node or a network lies outside its table");
            let row = usize::try_from(node).map_err(|_| outside())?;
            let word = |at| self.word(self.nodes, row, at).ok_or_else(outside);
            let (left, right, network) = (word(0)?, word(4)?, word(8)?);
            if network != NO_NETWORK {
                each(self.network(network, bits, depth).ok_or_else(outside)?)?;
            }
            if depth == ADDRESS_BITS {
                if left != 0 || right != 0 {
                    return Err(wrong("a branch is longer than an address"));
                }
                continue;
            }
            if right != 0 {
                waiting.push((right, bits | 1 << (127 - depth), depth + 1));
            }
            if left != 0 {
                waiting.push((left, bits, depth + 1));
            }
        }
        Ok(())
    }

    fn network(&self, index: u32, bits: u128, depth: u8) -> Option<LocationNetwork> {
        let index = usize::try_from(index).ok()?;
        let country = self.word(self.networks, index, 0)?.to_be_bytes();
        let asn = self.word(self.networks, index, 4)?;
        let ip = Ipv6Addr::from(bits);
        let network = match ip.to_ipv4_mapped() {
            Some(ip) if depth >= 96 => IpNetwork::V4(Ipv4Network::new(ip, depth - 96).ok()?),
            _ => IpNetwork::V6(Ipv6Network::new(ip, depth).ok()?),
        };
        Some(LocationNetwork { network, country: [country[0], country[1]], asn })
    }

    /// The 32-bit word `at` octets into a row.
    fn word(&self, table: Table, row: usize, at: usize) -> Option<u32> {
        let start = (row < table.rows).then(|| table.offset + row * table.row + at)?;
        Some(u32::from_be_bytes(self.bytes.get(start..start + 4)?.try_into().ok()?))
    }

    /// The text that starts at `offset` in the pool and ends before a zero octet.
    fn text(&self, offset: u32) -> Option<&str> {
        let pool = self.bytes.get(self.strings.offset..self.strings.offset + self.strings.rows)?;
        let text = pool.get(usize::try_from(offset).ok()?..)?;
        let end = text.iter().position(|&octet| octet == 0)?;
        std::str::from_utf8(&text[..end]).ok().filter(|text| !text.is_empty())
    }
}

impl Table {
    /// Reads offset and length at `at` in the header; `None` when rows lie outside the file.
    fn read(bytes: &[u8], at: usize, row: usize) -> Option<Self> {
        let word = |at| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let offset = usize::try_from(word(at)?).ok()?;
        let length = usize::try_from(word(at + 4)?).ok()?;
        bytes.get(offset..offset.checked_add(length)?)?;
        Some(Self { offset, rows: length / row, row })
    }
}
