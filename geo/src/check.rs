//! Looks a database over before it is trusted: torn, hostile and wrong files are refused here.
//!
//! The reader bounds every look-up by itself. What is checked is that the file is whole: every branch of the
//! search tree, in one pass that needs no memory, and a sample of the records.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxminddb::{Metadata, Reader};

use crate::record;

/// The format's own bound on where the metadata starts, in octets before the end of the file.
const MAX_METADATA_BYTES: usize = 128 << 10;
const METADATA_MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Zero octets between tree and data.
const SEPARATOR: usize = 16;
/// Records that are decoded: enough to see what a database holds, few enough for a slow gateway (about 10 ms).
const SAMPLES: u32 = 1_024;

/// What the sampled records hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Some have a country, a city or a position.
    pub(crate) geo: bool,
    /// Some have an AS number.
    pub(crate) asn: bool,
    /// How many were decoded or could not be.
    pub(crate) sampled: u32,
    /// How many could not be.
    pub(crate) damaged: u32,
}

/// Checks a whole file; what it calls itself and what it holds, or what is wrong with it.
pub(crate) fn check(bytes: &[u8]) -> Result<(Metadata, Contents), String> {
    let reader = Reader::from_source(bytes).map_err(|error| error.to_string())?;
    let metadata = reader.metadata();
    let tree = SearchTree::new(bytes, metadata)?;
    tree.check()?;
    let contents = sample(&reader, &tree);
    if contents.sampled > 0 && contents.damaged == contents.sampled {
        return Err("none of its records can be decoded".to_owned());
    }
    Ok((metadata.clone(), contents))
}

fn sample(reader: &Reader<&[u8]>, tree: &SearchTree<'_>) -> Contents {
    let mut contents = Contents::default();
    for seed in 0..SAMPLES {
        let Some(address) = tree.some_address(seed) else { continue };
        contents.sampled += 1;
        match reader.lookup(address).map_err(drop).and_then(|found| record::decode(&found).map_err(drop)) {
            Ok(place) => {
                contents.geo |= place.geo.is_some();
                contents.asn |= place.asn.is_some();
            }
            Err(()) => contents.damaged += 1,
        }
    }
    contents
}

/// The nodes of a database.
struct SearchTree<'a> {
    nodes: &'a [u8],
    node_count: u64,
    node_bytes: usize,
    data_bytes: u64,
    ipv6: bool,
}

impl<'a> SearchTree<'a> {
    fn new(bytes: &'a [u8], metadata: &Metadata) -> Result<Self, String> {
        let searched = bytes.len().saturating_sub(MAX_METADATA_BYTES);
        let marker = bytes[searched..]
            .windows(METADATA_MARKER.len())
            .rposition(|window| window == METADATA_MARKER)
            .ok_or("its metadata is not in the last 128 KiB")?;
        let data_end = searched + marker;
        let node_bytes = usize::from(metadata.record_size) / 4;
        let tree_end =
            usize::try_from(metadata.node_count).ok().and_then(|count| count.checked_mul(node_bytes));
        let data_start =
            tree_end.and_then(|end| end.checked_add(SEPARATOR)).filter(|&start| start <= data_end);
        let data_start = data_start.ok_or("its search tree is longer than the file")?;
        let (nodes, separator) = bytes[..data_start].split_at(data_start - SEPARATOR);
        if separator.iter().any(|&octet| octet != 0) {
            return Err("its search tree does not end where it says".to_owned());
        }
        Ok(Self {
            nodes,
            node_count: u64::from(metadata.node_count),
            node_bytes,
            data_bytes: (data_end - data_start) as u64,
            ipv6: metadata.ip_version == 6,
        })
    }

    /// Every branch leads to a node, to nothing or into the data.
    fn check(&self) -> Result<(), String> {
        let first_data = self.node_count + SEPARATOR as u64;
        let good = |&branch: &u64| {
            branch <= self.node_count || (first_data..first_data + self.data_bytes).contains(&branch)
        };
        let bad = self.nodes.chunks_exact(self.node_bytes).position(|node| !branches(node).iter().all(good));
        bad.map_or(Ok(()), |node| Err(format!("node {node} of its search tree leads nowhere")))
    }

    /// An address that has a record: the way there is chosen by `seed` and ends within an address' length.
    fn some_address(&self, seed: u32) -> Option<IpAddr> {
        let length = if self.ipv6 { 128 } else { 32 };
        let mut random = u64::from(seed) << 32 | 0x9e37_79b9;
        let (mut node, mut bits) = (0, 0_u128);
        for depth in 0..length {
            // xorshift64 (G. Marsaglia, 2003): even, and the same for every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let both = self.node(node)?;
            let wanted = usize::from(random >> 40 & 1 == 1);
            let side = if both[wanted] == self.node_count { 1 - wanted } else { wanted };
            bits |= (side as u128) << (length - 1 - depth);
            match both[side] {
                branch if branch > self.node_count => return Some(address(bits, self.ipv6)),
                branch if branch == self.node_count => return None,
                branch => node = branch,
            }
        }
        None
    }

    fn node(&self, node: u64) -> Option<[u64; 2]> {
        let start = usize::try_from(node).ok()?.checked_mul(self.node_bytes)?;
        self.nodes.get(start..start + self.node_bytes).map(branches)
    }
}

fn address(bits: u128, ipv6: bool) -> IpAddr {
    if ipv6 {
        return IpAddr::V6(Ipv6Addr::from(bits));
    }
    IpAddr::V4(Ipv4Addr::from(u32::try_from(bits).unwrap_or_default()))
}

/// Both records of a node of 6, 7 or 8 octets.
fn branches(node: &[u8]) -> [u64; 2] {
    let number = |octets: &[u8]| octets.iter().fold(0, |number, &octet| number << 8 | u64::from(octet));
    let half = node.len() / 2;
    let right = number(&node[node.len() - half..]);
    match node.len() {
        7 => {
            let (high_left, high_right) = (u64::from(node[3] >> 4), u64::from(node[3] & 0x0f));
            [high_left << 24 | number(&node[..3]), high_right << 24 | right]
        }
        _ => [number(&node[..half]), right],
    }
}
