//! The words of the format: columns of octets, of numbers and of instants, each with its writer and its reader.
//!
//! Numbers are LEB128 (the least septet first); a signed one is folded first (0, -1, 1, -2 become 0, 1, 2, 3). A column
//! is its length in octets, then the octets.

use super::Damage;

/// Octets of the longest LEB128 number of 64 bits.
const MAX_NUMBER_OCTETS: u32 = 10;

const MILLION: f64 = 1e6;
/// Beyond these an exact number of millionths is chance: binary64 has 53 bits.
const MAX_MILLIONTHS: u64 = 1 << 53;

/// Octets in a row, written one value after the other.
#[derive(Debug, Default)]
pub(super) struct Column(pub(super) Vec<u8>);

impl Column {
    pub(super) fn octet(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn number(&mut self, value: u64) {
        put_number(&mut self.0, value);
    }

    /// A text, or other octets, with their length.
    pub(super) fn text(&mut self, value: &[u8]) {
        self.number(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    /// A real number: its folded millionths and one more where these are exact, else 0 and the 8 octets of IEEE 754's
    /// binary64, the least first.
    pub(super) fn real(&mut self, value: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "what is not exact is found by comparison")]
        let millionths = (value * MILLION).round() as i64;
        #[expect(clippy::cast_precision_loss, reason = "the same")]
        let again = millionths as f64 / MILLION;
        if again.to_bits() == value.to_bits() && millionths.unsigned_abs() < MAX_MILLIONTHS {
            return self.number(fold(millionths) + 1);
        }
        self.number(0);
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Appends the column to a block and empties it.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        put_number(out, self.0.len() as u64);
        out.extend_from_slice(&self.0);
        self.clear();
    }
}

pub(crate) fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low(value) | 0x80);
        value >>= 7;
    }
    out.push(low(value));
}

/// The lowest octet.
pub(super) const fn low(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

pub(super) const fn fold(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

pub(super) const fn unfold(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// 16 bits per row: all low octets, then all high ones, which differ less and pack better by themselves.
#[derive(Debug, Default)]
pub(super) struct Shorts {
    low: Column,
    high: Column,
}

impl Shorts {
    pub(super) fn push(&mut self, value: u16) {
        let [low, high] = value.to_le_bytes();
        self.low.octet(low);
        self.high.octet(high);
    }

    /// What was pushed since the last write.
    pub(super) fn values(&self) -> impl Iterator<Item = u16> {
        self.low.0.iter().zip(&self.high.0).map(|(&low, &high)| u16::from_le_bytes([low, high]))
    }

    pub(super) fn clear(&mut self) {
        self.low.clear();
        self.high.clear();
    }

    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        self.low.write(out);
        self.high.write(out);
    }
}

/// Reads [`Shorts`].
#[derive(Clone, Copy)]
pub(super) struct ShortsReader<'a> {
    low: Input<'a>,
    high: Input<'a>,
}

impl<'a> ShortsReader<'a> {
    pub(super) fn new(block: &mut Input<'a>) -> Result<Self, Damage> {
        Ok(Self { low: block.column()?, high: block.column()? })
    }

    pub(super) fn next(&mut self) -> Result<u16, Damage> {
        Ok(u16::from_le_bytes([self.low.octet()?, self.high.octet()?]))
    }
}

/// Microseconds per row, in the coarsest unit that is exact: most inputs count milliseconds.
#[derive(Debug, Default)]
pub(super) struct Micros {
    values: Vec<i64>,
    column: Column,
}

/// Units, in microseconds.
const SECOND: i64 = 1_000_000;
const MILLISECOND: i64 = 1_000;
const MICROSECOND: i64 = 1;

impl Micros {
    pub(super) fn push(&mut self, value: i64) {
        self.values.push(value);
    }

    pub(super) fn clear(&mut self) {
        self.values.clear();
        self.column.clear();
    }

    /// The unit, then each value: in a chain as its difference to the one before it.
    pub(super) fn write(&mut self, is_chained: bool, out: &mut Vec<u8>) {
        if is_chained {
            let mut before = 0;
            for value in &mut self.values {
                let step = value.wrapping_sub(before);
                before = std::mem::replace(value, step);
            }
        }
        // A divisor that is known beforehand is a multiplication.
        let _ = self.put::<SECOND>() || self.put::<MILLISECOND>() || self.put::<MICROSECOND>();
        self.column.write(out);
        self.values.clear();
    }

    /// False if a value is no multiple of the unit.
    fn put<const UNIT: i64>(&mut self) -> bool {
        let is_exact = self.values.iter().all(|value| value % UNIT == 0);
        if is_exact {
            self.column.number(UNIT.unsigned_abs());
            self.values.iter().for_each(|value| self.column.number(fold(value / UNIT)));
        }
        is_exact
    }
}

/// Reads [`Micros`].
#[derive(Clone, Copy)]
pub(super) struct MicrosReader<'a> {
    input: Input<'a>,
    unit: i64,
    before: i64,
    is_chained: bool,
}

impl<'a> MicrosReader<'a> {
    pub(super) fn new(is_chained: bool, block: &mut Input<'a>) -> Result<Self, Damage> {
        let mut input = block.column()?;
        let unit = input.number()?;
        let known = [SECOND, MILLISECOND, MICROSECOND].into_iter().find(|known| known.unsigned_abs() == unit);
        let unit = known.ok_or(Damage::Value("unit"))?;
        Ok(Self { input, unit, before: 0, is_chained })
    }

    pub(super) fn next(&mut self) -> Result<i64, Damage> {
        let step = unfold(self.input.number()?).wrapping_mul(self.unit);
        let value = self.before.wrapping_add(step);
        if self.is_chained {
            self.before = value;
        }
        Ok(value)
    }
}

/// What is left of a block or of a column; nothing is read beyond its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn octet(&mut self) -> Result<u8, Damage> {
        let (&first, rest) = self.0.split_first().ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(first)
    }

    pub(crate) fn octets(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (octets, rest) = self.0.split_at_checked(length).ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(octets)
    }

    /// A real number; see [`Column::real`].
    pub(crate) fn real(&mut self) -> Result<f64, Damage> {
        #[expect(clippy::cast_precision_loss, reason = "only what is exact is written so")]
        match self.number()? {
            0 => self.array().map(|bits| f64::from_bits(u64::from_le_bytes(bits))),
            millionths => Ok(unfold(millionths - 1) as f64 / MILLION),
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(Damage::Short)?;
        self.0 = rest;
        Ok(*octets)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for septet in 0..MAX_NUMBER_OCTETS {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            // Of the tenth octet one bit is left.
            if septet == MAX_NUMBER_OCTETS - 1 && bits > 1 {
                break;
            }
            value |= bits << (7 * septet);
            if octet < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage::Value("number"))
    }

    /// A number that counts things of which each takes an octet at least.
    pub(crate) fn count(&mut self) -> Result<usize, Damage> {
        usize::try_from(self.number()?).ok().filter(|&count| count <= self.0.len()).ok_or(Damage::Short)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damage> {
        let length = self.count()?;
        std::str::from_utf8(self.octets(length)?).map_err(|_| Damage::Utf8)
    }

    /// Passes a number by.
    pub(super) fn pass_number(&mut self) -> Result<(), Damage> {
        let length = self.0.iter().take(MAX_NUMBER_OCTETS as usize).position(|&octet| octet < 0x80);
        self.0 = self.0.get(length.ok_or(Damage::Short)? + 1..).unwrap_or_default();
        Ok(())
    }

    pub(crate) fn column(&mut self) -> Result<Self, Damage> {
        let length = self.count()?;
        self.octets(length).map(Self)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Column, Input, Micros, MicrosReader, fold, unfold};

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(value in any::<u64>(), shift in 0..64_u32) {
            let value = value >> shift;
            let mut column = Column::default();
            column.number(value);
            let mut input = Input(&column.0);
            prop_assert_eq!(input.number().unwrap(), value);
            prop_assert!(input.is_empty());
            prop_assert_eq!(unfold(fold(value.cast_signed())), value.cast_signed());
        }

        #[test]
        fn instants_are_read_as_they_were_written_whatever_their_unit(
            values in prop::collection::vec(any::<i64>(), 0..20),
            unit in prop_oneof![Just(1), Just(1_000), Just(1_000_000)],
            is_chained in any::<bool>(),
        ) {
            let values: Vec<i64> = values.into_iter().map(|value| value / unit * unit).collect();
            let mut micros = Micros::default();
            values.iter().for_each(|&value| micros.push(value));
            let mut out = Vec::new();
            micros.write(is_chained, &mut out);
            let mut reader = MicrosReader::new(is_chained, &mut Input(&out)).unwrap();
            for value in values {
                prop_assert_eq!(reader.next().unwrap(), value);
            }
            prop_assert!(reader.next().is_err());
        }
    }

    proptest! {
        #[test]
        fn a_real_number_is_read_back_to_the_last_bit(
            value in prop_oneof![any::<f64>(), (-1_000_000..1_000_000_i64).prop_map(|n| n as f64 / 1e4), Just(-0.0)],
        ) {
            let mut column = Column::default();
            column.real(value);
            prop_assert_eq!(Input(&column.0).real().unwrap().to_bits(), value.to_bits());
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert!(Input(&[0xff; 10]).number().is_err());
        assert!(Input(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]).number().is_err());
        assert!(Input(&[0x80]).number().is_err());
    }
}
