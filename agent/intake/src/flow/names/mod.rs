//! What the names of members mean: those of every tool in one table.
//!
//! Names are compared in their plain form, in small letters and without `-`, `_`, `.`, `@`, `%` and spaces, so that `src_ip`,
//! `src.ip`, `SrcIP` and `SRC-IP` are one. A name that begins with a digit is the number of an information element and is
//! compared as it is.

mod ipfix;
mod tools;
mod usual;

use std::sync::LazyLock;

use crate::time::Unit;

/// What a member says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    SrcIp,
    DstIp,
    SrcPort,
    DstPort,
    Proto,
    /// First packet.
    Start(Unit),
    /// First packet, or how long the exporter had been up then.
    StartOrUptime,
    /// When the record was made: the start where nothing says that.
    When,
    /// When somebody received or wrote it: the start where nothing else says that.
    Received(Unit),
    /// Last packet.
    End(Unit),
    /// How long the flow lasted.
    Length(Unit),
    Octets(Side),
    Packets(Side),
    FlagsOut,
    FlagsIn,
    EndReason,
    Vlan,
    IcmpType,
    IcmpCode,
    /// Type × 256 + code.
    IcmpBoth,
    Dscp,
    /// The octet that holds the DSCP in its upper six bits.
    Tos,
    Exporter,
    ObservationDomain,
    IngressIf,
    EgressIf,
    NextHop,
    SrcAs,
    DstAs,
    Sampling,
    Service,
    /// The name that the flow is about.
    Domain,
    /// That name, of a DNS query.
    Query,
    /// That name, or the device that sent the record.
    Host,
    CommunityId,
    Collector,
    /// An object of entries for `extra`.
    Extra,
    /// An object whose members are read as if they stood outside, after its name and a dot.
    Group,
    /// Nothing of the flow, but usual.
    Other,
    /// A word that only Weir itself is believed.
    Own(Own),
}

/// Whose counter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Both directions, or the one that there is.
    Both,
    /// Originator → responder.
    Out,
    /// Responder → originator.
    In,
    /// Responder → originator, or the only direction that old routers count.
    InOrOnly,
}

/// Words of Weir's own records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    Source,
    Kind,
    Observer,
    Trace,
    /// What enrichment or the ring adds, and what follows from the rest.
    Derived,
}

/// A name with its meaning, as its tool writes it.
pub(crate) type Entry = (&'static str, Role);

/// Octets of the longest name that is looked up; the longest known one is shorter.
const MAX_NAME: usize = 48;
/// Places of the table: a power of two, twice as many as there are names at least, so that few names share a place.
const PLACES: usize = 2_048;

/// Filebeat and Logstash put what an exporter said into this object: names in it mean what they mean outside.
const GROUP: &str = "netflow.";

/// What `name` means; `None` for a name that no tool is known to use.
pub(crate) fn find(name: &str) -> Option<Entry> {
    static TABLE: LazyLock<Table> = LazyLock::new(Table::new);
    let below = || name.strip_prefix(GROUP).and_then(|name| TABLE.find(name));
    TABLE.find(name).or_else(below)
}

struct Table {
    places: Vec<Option<(Box<[u8]>, Entry)>>,
}

impl Table {
    fn new() -> Self {
        let mut places = Vec::new();
        places.resize_with(PLACES, || None);
        let mut table = Self { places };
        for &entry in usual::NAMES.iter().chain(tools::NAMES).chain(ipfix::NAMES) {
            table.add(entry);
        }
        table
    }

    fn add(&mut self, entry: Entry) {
        let mut plain = Plain::default();
        if !plain.read(entry.0) {
            return;
        }
        let Some((before, from)) = self.places.split_at_mut_checked(plain.place()) else { return };
        for place in from.iter_mut().chain(before) {
            match place {
                Some((known, _)) if **known == *plain.as_bytes() => return,
                Some(_) => {}
                None => {
                    *place = Some((plain.as_bytes().into(), entry));
                    return;
                }
            }
        }
    }

    fn find(&self, name: &str) -> Option<Entry> {
        let mut plain = Plain::default();
        if !plain.read(name) {
            return None;
        }
        let (before, from) = self.places.split_at_checked(plain.place())?;
        for place in from.iter().chain(before) {
            let (known, entry) = place.as_ref()?;
            if **known == *plain.as_bytes() {
                return Some(*entry);
            }
        }
        None
    }
}

/// A name in its plain form.
struct Plain {
    bytes: [u8; MAX_NAME],
    length: usize,
    hash: u32,
}

impl Default for Plain {
    fn default() -> Self {
        // FNV-1a: the offset basis.
        Self { bytes: [0; MAX_NAME], length: 0, hash: 0x811c_9dc5 }
    }
}

impl Plain {
    /// Takes in `name`; false when it is longer than any known one.
    fn read(&mut self, name: &str) -> bool {
        let is_number = name.as_bytes().first().is_some_and(u8::is_ascii_digit);
        for byte in name.bytes() {
            if !is_number && matches!(byte, b'-' | b'_' | b'.' | b'@' | b'%' | b' ') {
                continue;
            }
            let byte = byte.to_ascii_lowercase();
            let Some(place) = self.bytes.get_mut(self.length) else { return false };
            *place = byte;
            self.length += 1;
            self.hash = (self.hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        true
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    const fn place(&self) -> usize {
        (self.hash ^ self.hash >> 15) as usize % PLACES
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{Entry, PLACES, Plain, Role, find, ipfix, tools, usual};

    fn all() -> impl Iterator<Item = &'static Entry> {
        usual::NAMES.iter().chain(tools::NAMES).chain(ipfix::NAMES)
    }

    #[test]
    fn each_name_has_one_meaning_and_is_found() {
        let mut known = HashMap::new();
        for &(name, role) in all() {
            let mut plain = Plain::default();
            assert!(plain.read(name), "{name} is too long");
            let before = known.insert(plain.as_bytes().to_vec(), name);
            assert_eq!(before, None, "{name} stands twice in the tables");
            assert_eq!(find(name), Some((name, role)));
        }
        assert!(2 * known.len() <= PLACES, "{} names", known.len());
    }

    #[test]
    fn case_and_punctuation_make_no_difference_but_for_numbers() {
        for name in ["src_ip", "SRC_IP", "src.ip", "Src-IP", "srcip"] {
            assert_eq!(find(name).map(|(_, role)| role), Some(Role::SrcIp), "{name}");
        }
        assert_eq!(find("8").map(|(_, role)| role), Some(Role::SrcIp));
        for name in ["0.8", "8_", "1.2", "35632.8", "", "src_ip_2", &"x".repeat(100)] {
            assert_eq!(find(name), None, "{name}");
        }
    }
}
