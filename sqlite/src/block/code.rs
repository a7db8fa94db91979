//! Octets that stand for the values of enumerations. They belong to the format: none is ever given another meaning.

use weir_flow::{Direction, EndReason, Field, IndicatorKind, Kind, Reason, Source, Tag, Tags};

use super::Damage;
use crate::filter::{Space, Term};

/// An octet for each value, both ways.
macro_rules! code {
    ($to:ident, $from:ident, $type:ident { $($value:ident = $code:literal),* }) => {
        pub(super) const fn $to(value: $type) -> u8 {
            match value { $($type::$value => $code),* }
        }

        pub(super) const fn $from(code: u8) -> Result<$type, Damage> {
            match code {
                $($code => Ok($type::$value),)*
                _ => Err(Damage::Value(stringify!($type))),
            }
        }
    };
}

code!(source, to_source, Source {
    Capture = 0, Netflow5 = 1, Netflow7 = 2, Netflow9 = 3, Ipfix = 4, Sflow5 = 5, Zeek = 6, Api = 7
});
code!(end_reason, to_end_reason, EndReason { Idle = 1, Active = 2, End = 3, Forced = 4, Resources = 5 });
code!(direction, to_direction, Direction { In = 0, Out = 1, Internal = 2, Transit = 3 });
code!(reason, to_reason, Reason { Base = 0, ThreatMatch = 1, RiskyPort = 2, LargeTransfer = 3 });
code!(indicator, to_indicator, IndicatorKind { Ip = 0, Cidr = 1, Domain = 2 });
code!(field, to_field, Field { SrcIp = 0, DstIp = 1, Domain = 2 });

/// The code of a kind whose name is beside it.
pub(super) const OTHER: u8 = 9;

pub(super) const fn kind(value: &Kind) -> u8 {
    match value {
        Kind::Flow => 0,
        Kind::Dns => 1,
        Kind::Tls => 2,
        Kind::Http => 3,
        Kind::Alert => 4,
        Kind::Sighting => 5,
        Kind::Detection => 6,
        Kind::Aggregate => 7,
        Kind::Device => 8,
        Kind::Other(_) => OTHER,
    }
}

/// The kind of a code other than [`OTHER`].
pub(super) const fn to_kind(code: u8) -> Result<Kind, Damage> {
    Ok(match code {
        0 => Kind::Flow,
        1 => Kind::Dns,
        2 => Kind::Tls,
        3 => Kind::Http,
        4 => Kind::Alert,
        5 => Kind::Sighting,
        6 => Kind::Detection,
        7 => Kind::Aggregate,
        8 => Kind::Device,
        _ => return Err(Damage::Value("Kind")),
    })
}

/// Each tag's bit.
const TAGS: [(Tag, u8); 3] = [(Tag::Ti, 1), (Tag::RiskyPort, 2), (Tag::LargeTransfer, 4)];

pub(super) fn tags(value: Tags) -> u8 {
    TAGS.into_iter().filter(|&(tag, _)| value.contains(tag)).fold(0, |bits, (_, bit)| bits | bit)
}

pub(super) fn to_tags(bits: u8) -> Tags {
    let mut tags = Tags::default();
    TAGS.into_iter().filter(|&(_, bit)| bits & bit != 0).for_each(|(tag, _)| tags.insert(tag));
    tags
}

/// All bits of tags.
pub(super) const ALL_TAGS: u8 = 7;

/// Each bit of an octet.
pub(super) fn bits(octet: u8) -> impl Iterator<Item = u8> {
    (0..8).map(|place| 1 << place).filter(move |bit| octet & bit != 0)
}

/// The bit of a tag.
pub(super) fn tag_bit(tag: Tag) -> u8 {
    let mut one = Tags::default();
    one.insert(tag);
    tags(one)
}

/// The term of a tag.
pub(crate) fn tag_term(tag: Tag) -> Term {
    Term::exact(Space::Tag, &[tag_bit(tag)])
}

/// The term of a source.
pub(crate) fn source_term(value: Source) -> Term {
    Term::exact(Space::Source, &[source(value)])
}

/// The term of a direction.
pub(crate) fn direction_term(value: Direction) -> Term {
    Term::exact(Space::Direction, &[direction(value)])
}

/// The term of a kind.
pub(crate) fn term_of_kind(value: &Kind) -> Term {
    match value {
        Kind::Other(name) => kind_term(OTHER, name.as_bytes()),
        known => kind_term(kind(known), &[]),
    }
}

/// The term of a kind's code and, of another kind, its name.
pub(super) fn kind_term(code: u8, name: &[u8]) -> Term {
    let octets: Vec<u8> = std::iter::once(code).chain(name.iter().copied()).collect();
    Term::exact(Space::Kind, &octets)
}
