//! Templates (RFC 3954 §5.2 and §6.1, RFC 7011 §3.4), compiled: which octets of a record say what, found once.

use std::cell::Cell;

use super::element::{self, Element, IANA, NETFLOW_V9, NTOP, element};
use crate::collect::Fault;
use crate::collect::wire::Reader;

/// The length of a field that says its length itself, in each record (RFC 7011 §7).
pub(super) const VARIABLE: u16 = 65_535;
/// Fields of a template. The longest that real exporters send have about 100; thousands would make each record slow.
pub(super) const MAX_FIELDS: usize = 512;
/// The interface as scope of options in NetFlow v9 (RFC 3954 §6.1).
const SCOPE_INTERFACE: u16 = 2;
/// `postOctetDeltaCount` and `postPacketDeltaCount`, which are the other direction's in nProbe's templates.
const REVERSED_BY_NTOP: [u16; 2] = [23, 24];
/// `ingressInterface`.
const INGRESS_INTERFACE: u16 = 10;

/// What the field specifiers of a template look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::collect) enum Dialect {
    /// NetFlow v9: number and length.
    V9,
    /// IPFIX: the same, with an enterprise number where the highest bit says so, and fields of variable length.
    Ipfix,
}

impl Dialect {
    /// Octets of the shortest template record; what is shorter at the end of a set is padding, zero or not. That of IPFIX
    /// is a withdrawal, that of v9 has one field.
    pub(super) const fn shortest_template(self) -> usize {
        match self {
            Self::V9 => 8,
            Self::Ipfix => 4,
        }
    }
}

/// What the records of a template are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::collect) enum Kind {
    /// Flows.
    Data,
    /// What the exporter says of itself.
    Options,
}

/// A compiled template.
#[derive(Debug)]
pub(in crate::collect) struct Template {
    pub(in crate::collect) kind: Kind,
    /// The template record as it came, with its number: to see whether it changed, and to be kept over a restart.
    pub(in crate::collect) wire: Box<[u8]>,
    /// Octets of a record if all have the same length.
    pub(super) fixed: Option<usize>,
    /// Octets of the shortest record.
    pub(super) shortest: usize,
    pub(super) steps: Box<[Step]>,
    /// When it was used last, in datagrams of its exporter.
    pub(in crate::collect) used: Cell<u64>,
}

/// One field, or several in a row that say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Where it begins in a record of fixed length.
    pub(super) at: u16,
    /// Its octets, or [`VARIABLE`].
    pub(super) length: u16,
    /// What it says; none: it is skipped.
    pub(super) element: Option<&'static Element>,
}

/// A template record that was read.
pub(in crate::collect) enum Found<'a> {
    /// A template.
    Template(u16, Announced<'a>),
    /// The exporter takes back a template, or with number 2 or 3 all of that kind (RFC 7011 §8.1).
    Withdrawal(u16),
    /// A template that cannot be used; what follows it can be read.
    Refused(Fault),
}

/// A template before it is compiled.
#[derive(Clone, Copy)]
pub(in crate::collect) struct Announced<'a> {
    pub(in crate::collect) kind: Kind,
    dialect: Dialect,
    /// All of the template record.
    pub(in crate::collect) wire: &'a [u8],
    specifiers: &'a [u8],
    fields: usize,
    scopes: usize,
}

/// Reads one template record.
///
/// # Errors
/// The record is cut off or contradicts itself, so that what follows cannot be found.
pub(in crate::collect) fn next<'a>(
    reader: &mut Reader<'a>,
    dialect: Dialect,
    kind: Kind,
) -> Result<Found<'a>, Fault> {
    let whole = reader.rest();
    let id = reader.u16().ok_or(Fault::BadTemplate)?;
    let first = usize::from(reader.u16().ok_or(Fault::BadTemplate)?);
    if first == 0 && dialect == Dialect::Ipfix {
        return Ok(Found::Withdrawal(id));
    }
    let (fields, scopes) = match (kind, dialect) {
        (Kind::Data, _) => (first, 0),
        (Kind::Options, Dialect::Ipfix) => (first, usize::from(reader.u16().ok_or(Fault::BadTemplate)?)),
        // Octets of specifiers, where IPFIX has numbers of fields.
        (Kind::Options, Dialect::V9) => {
            let second = usize::from(reader.u16().ok_or(Fault::BadTemplate)?);
            if !first.is_multiple_of(4) || !second.is_multiple_of(4) {
                return Err(Fault::BadTemplate);
            }
            (first / 4 + second / 4, first / 4)
        }
    };
    let start = reader.rest();
    for _ in 0..fields {
        field(reader, dialect).ok_or(Fault::BadTemplate)?;
    }
    let specifiers = &start[..start.len() - reader.len()];
    let wire = &whole[..whole.len() - reader.len()];
    if id < 256 || fields == 0 || scopes > fields {
        return Ok(Found::Refused(Fault::BadTemplate));
    }
    if fields > MAX_FIELDS {
        return Ok(Found::Refused(Fault::TemplateLimit));
    }
    Ok(Found::Template(id, Announced { kind, dialect, wire, specifiers, fields, scopes }))
}

/// Enterprise number, element and length of the next field.
#[inline]
fn field(reader: &mut Reader<'_>, dialect: Dialect) -> Option<(u32, u16, u16)> {
    let (id, length) = (reader.u16()?, reader.u16()?);
    Some(match dialect {
        Dialect::V9 => (NETFLOW_V9, id, length),
        Dialect::Ipfix if id >= 0x8000 => (reader.u32()?, id & 0x7fff, length),
        _ => (IANA, id, length),
    })
}

impl Template {
    /// Finds out where everything is.
    ///
    /// # Errors
    /// Records would have no length, or a longer one than a message can have.
    pub(in crate::collect) fn compile(announced: &Announced<'_>) -> Result<Self, Fault> {
        let mut steps: Vec<Step> = Vec::with_capacity(announced.fields);
        let (mut at, mut shortest, mut is_fixed) = (0_usize, 0_usize, true);
        for (known, length) in announced.elements() {
            let is_variable = length == VARIABLE && announced.dialect == Dialect::Ipfix;
            is_fixed &= !is_variable;
            shortest += if is_variable { 1 } else { usize::from(length) };
            let step = Step { at: u16::try_from(at).unwrap_or(u16::MAX), length, element: known };
            at += usize::from(length);
            match steps.last_mut() {
                Some(last) if is_skippable(last) && is_skippable(&step) => last.length += length,
                _ => steps.push(step),
            }
        }
        if shortest == 0 || shortest > usize::from(u16::MAX) {
            return Err(Fault::BadTemplate);
        }
        if is_fixed {
            steps.retain(|step| step.element.is_some());
        }
        Ok(Self {
            kind: announced.kind,
            wire: announced.wire.into(),
            fixed: is_fixed.then_some(shortest),
            shortest,
            steps: steps.into(),
            used: Cell::new(0),
        })
    }

    /// Memory that it takes.
    pub(in crate::collect) fn bytes(&self) -> usize {
        size_of::<Self>() + self.wire.len() + size_of_val(&*self.steps)
    }
}

/// Neighbours like this are skipped together.
fn is_skippable(step: &Step) -> bool {
    step.element.is_none() && step.length < VARIABLE / 2
}

impl Announced<'_> {
    /// What each field says, where that is known and worth keeping, and its length.
    fn elements(&self) -> impl Iterator<Item = (Option<&'static Element>, u16)> {
        let mut reader = Reader::new(self.specifiers);
        let fields = move || field(&mut reader, self.dialect);
        let is_ntop = std::iter::from_fn(fields).any(|(enterprise, ..)| enterprise == NTOP);
        let mut reader = Reader::new(self.specifiers);
        std::iter::from_fn(move || field(&mut reader, self.dialect)).enumerate().map(
            move |(number, field)| {
                let (enterprise, id, length) = field;
                let known = if number < self.scopes && self.dialect == Dialect::V9 {
                    scope(id)
                } else if is_ntop && REVERSED_BY_NTOP.contains(&id) && enterprise == IANA {
                    element(NETFLOW_V9, id)
                } else {
                    element(enterprise, id)
                };
                (known.filter(|element| says_something(element)), length)
            },
        )
    }
}

fn says_something(element: &Element) -> bool {
    element.role != element::Role::Ignored && element.form != element::Form::List
}

/// What a scope of NetFlow v9 says; only that of an interface is a value that options refer to.
fn scope(kind: u16) -> Option<&'static Element> {
    (kind == SCOPE_INTERFACE).then(|| element(IANA, INGRESS_INTERFACE)).flatten()
}
