//! Lists of numbers and of addresses that return.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Damage;
use super::column::{Column, Input, Shorts, ShortsReader};
use super::dictionary::{Dictionary, Seen};

/// Numbers that return.
#[derive(Debug, Default)]
pub(super) struct NumberColumn {
    codes: Shorts,
    numbers: Dictionary<u64>,
    column: Column,
}

impl NumberColumn {
    pub(super) fn push(&mut self, value: u64) {
        self.codes.push(self.numbers.code(value));
    }

    pub(super) fn clear(&mut self) {
        self.codes.clear();
        self.numbers.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.codes.write(out);
        self.numbers.entries().iter().for_each(|&number| self.column.number(number));
        self.column.write(out);
        self.numbers.clear();
    }
}

/// Reads a [`NumberColumn`].
#[derive(Clone)]
pub(super) struct NumberReader<'a> {
    codes: ShortsReader<'a>,
    numbers: Input<'a>,
    seen: Seen<u64>,
}

impl<'a> NumberReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self { codes: ShortsReader::new(block)?, numbers: block.column()?, seen: Seen::default() })
    }

    pub(super) fn next(&mut self) -> Result<u64, Damage> {
        let numbers = &mut self.numbers;
        self.seen.resolve(self.codes.next()?, || numbers.number()).copied()
    }
}

/// Addresses that return: a column says 4 or 6 of each, then follow those of IPv4, an octet after the other, and those of
/// IPv6.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    list: Dictionary<IpAddr>,
    versions: Column,
    four: [Column; 4],
    six: Column,
}

impl Addresses {
    pub(super) fn code(&mut self, address: IpAddr) -> u16 {
        self.list.code(address)
    }

    /// All, in the order of their codes.
    pub(super) fn entries(&self) -> &[IpAddr] {
        self.list.entries()
    }

    pub(super) const fn list(&self) -> &Dictionary<IpAddr> {
        &self.list
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        for address in self.list.entries() {
            match address {
                IpAddr::V4(address) => {
                    self.versions.octet(4);
                    self.four
                        .iter_mut()
                        .zip(address.octets())
                        .for_each(|(column, octet)| column.octet(octet));
                }
                IpAddr::V6(address) => {
                    self.versions.octet(6);
                    self.six.0.extend_from_slice(&address.octets());
                }
            }
        }
        self.versions.write(out);
        self.four.iter_mut().for_each(|column| column.write(out));
        self.six.write(out);
        self.list.clear();
    }
}

/// Reads [`Addresses`].
pub(super) struct AddressesReader<'a> {
    versions: Input<'a>,
    four: [Input<'a>; 4],
    six: Input<'a>,
    seen: Seen<IpAddr>,
}

impl<'a> AddressesReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        let versions = block.column()?;
        let four = [block.column()?, block.column()?, block.column()?, block.column()?];
        Ok(Self { versions, four, six: block.column()?, seen: Seen::default() })
    }

    pub(super) fn resolve(&mut self, code: u16) -> Result<IpAddr, Damage> {
        let Self { versions, four, six, seen } = self;
        seen.resolve(code, || read(versions, four, six)).copied()
    }

    /// What `test` says of each entry that can be read, `most` at most; the list is as it was.
    pub(super) fn judge<V>(&self, most: usize, mut test: impl FnMut(IpAddr) -> V) -> Vec<V> {
        let (mut versions, mut four, mut six) = (self.versions, self.four, self.six);
        let next = || read(&mut versions, &mut four, &mut six).ok().map(&mut test);
        std::iter::from_fn(next).take(most).collect()
    }
}

fn read(
    versions: &mut Input<'_>,
    [a, b, c, d]: &mut [Input<'_>; 4],
    six: &mut Input<'_>,
) -> Result<IpAddr, Damage> {
    match versions.octet()? {
        4 => Ok(Ipv4Addr::new(a.octet()?, b.octet()?, c.octet()?, d.octet()?).into()),
        6 => Ok(Ipv6Addr::from(six.array::<16>()?).into()),
        _ => Err(Damage::Value("version of an address")),
    }
}
