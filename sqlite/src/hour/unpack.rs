//! From the octets of column `hour.data`, which `pack.rs` describes, back to sums.

use std::io;
use std::net::IpAddr;

use weir_flow::Text;
use zstd::bulk::Decompressor;

use super::pack::{MAX_FRAME, MAX_LISTED, Span, VERSION};
use crate::Dimension;
use crate::block::Damage;
use crate::block::column::Input;
use crate::sums::{KeyRef, MAX_TEXT, Sum, Sums};

fn key_of(dimension: Dimension, octets: &[u8]) -> Result<KeyRef<'_>, Damage> {
    match dimension {
        Dimension::Talkers => {
            let four = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
            address.map(KeyRef::Address).map_err(|_| Damage::Value("address"))
        }
        Dimension::Asns | Dimension::Ports => {
            let number = <[u8; 4]>::try_from(octets).map_err(|_| Damage::Value("number"))?;
            Ok(KeyRef::Number(u32::from_be_bytes(number)))
        }
        Dimension::Countries | Dimension::Services | Dimension::Domains | Dimension::Threats => {
            std::str::from_utf8(octets).map(KeyRef::Text).map_err(|_| Damage::Utf8)
        }
    }
}

/// Unpacks hours, in the same buffers. Trusts nothing that they say: memory is bounded by [`MAX_FRAME`].
pub(crate) struct Unpacker {
    decompressor: Decompressor<'static>,
    raw: Vec<u8>,
}

impl Unpacker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { decompressor: Decompressor::new()?, raw: Vec::new() })
    }

    /// Adds the sums of one dimension to `sums`, to which nothing is added when they are damaged. Answers the first row.
    pub(crate) fn unpack(
        &mut self,
        (hour, through_row): (i64, u64),
        dimension: Dimension,
        data: &[u8],
        sums: &mut Sums,
    ) -> Result<Span, Damage> {
        let (length, frame) = frame_of(dimension, data)?;
        self.raw.clear();
        self.raw.reserve(length);
        let found = self.decompressor.decompress_to_buffer(frame, &mut self.raw)?;
        if found != length {
            return Err(Damage::Length { found: found as u64, expected: length as u64 });
        }
        let frame = Frame::read(dimension, &self.raw)?;
        let is_own = (frame.span.hour, frame.span.through_row) == (hour, through_row);
        if !is_own || frame.span.first_row == 0 || frame.span.first_row > through_row {
            return Err(Damage::Value("span of rows"));
        }
        frame.add_to(dimension, sums)?;
        Ok(frame.span)
    }
}

/// Where the frame of `dimension` is, and how long it is unpacked.
fn frame_of(dimension: Dimension, data: &[u8]) -> Result<(usize, &[u8]), Damage> {
    let mut input = Input(data);
    let version = input.octet()?;
    if version != VERSION {
        return Err(Damage::Encoding(version));
    }
    let (mut skipped, mut own) = (0_usize, None);
    for other in Dimension::ALL {
        let (raw, packed) = (input.number()?, input.number()?);
        let length = usize::try_from(raw).ok().filter(|&length| length <= MAX_FRAME);
        let length = length.ok_or(Damage::TooLong(raw))?;
        let packed = usize::try_from(packed).map_err(|_| Damage::Short)?;
        if other == dimension {
            own = Some((skipped, packed, length));
        }
        skipped = skipped.checked_add(packed).ok_or(Damage::Short)?;
    }
    let (skipped, packed, length) = own.ok_or(Damage::Short)?;
    input.octets(skipped)?;
    Ok((length, input.octets(packed)?))
}

/// A frame whose parts are known.
pub(super) struct Frame<'a> {
    pub(super) span: Span,
    lost: Sum,
    outsized: Sum,
    /// Ends of the keys in `octets`.
    ends: Vec<usize>,
    octets: Vec<u8>,
    sums: Vec<Sum>,
    missed: Vec<Sum>,
    labels: Vec<Option<&'a str>>,
}

impl<'a> Frame<'a> {
    pub(super) fn read(dimension: Dimension, raw: &'a [u8]) -> Result<Self, Damage> {
        let mut input = Input(raw);
        if input.octet()? != dimension.code() {
            return Err(Damage::Value("dimension"));
        }
        let span = Span {
            hour: input.number()?.cast_signed(),
            first_row: input.number()?,
            through_row: input.number()?,
        };
        let (lost, outsized) = (sum(&mut input)?, sum(&mut input)?);
        let count = input.number()?;
        if count > MAX_LISTED {
            return Err(Damage::Value("number of keys"));
        }
        let count = usize::try_from(count).map_err(|_| Damage::Short)?;
        let (ends, octets) = keys(&mut input, count)?;
        let sums = columns(&mut input, count)?;
        let missed = match lost {
            Sum::ZERO => vec![Sum::ZERO; count],
            _ => columns(&mut input, count)?,
        };
        if missed.iter().any(|missed| missed.less(lost) != Sum::ZERO) {
            return Err(Damage::Value("bound"));
        }
        let labels = (0..count).map(|_| label(&mut input)).collect::<Result<_, _>>()?;
        if !input.is_empty() {
            return Err(Damage::Rest);
        }
        Ok(Self { span, lost, outsized, ends, octets, sums, missed, labels })
    }

    pub(super) fn add_to(&self, dimension: Dimension, sums: &mut Sums) -> Result<(), Damage> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        let octets =
            begins.zip(&self.ends).map(|(begin, &end)| self.octets.get(begin..end).unwrap_or_default());
        let keys = octets.map(|octets| key_of(dimension, octets)).collect::<Result<Vec<_>, _>>()?;
        sums.lose(self.lost, self.outsized);
        let rest = self.sums.iter().zip(&self.missed).zip(&self.labels);
        for (key, ((&sum, &missed), label)) in keys.into_iter().zip(rest) {
            let label = label.map(Text::from);
            sums.restore(key, label.as_ref(), sum, self.lost.less(missed));
        }
        Ok(())
    }
}

fn sum(input: &mut Input<'_>) -> Result<Sum, Damage> {
    Ok(Sum([input.number()?, input.number()?, input.number()?]))
}

/// The keys, one after the other, and where each ends.
fn keys(input: &mut Input<'_>, count: usize) -> Result<(Vec<usize>, Vec<u8>), Damage> {
    let (mut ends, mut octets) = (Vec::with_capacity(count), Vec::new());
    let mut before: Vec<u8> = Vec::new();
    for place in 0..count {
        let (shared, rest) = (length(input)?, length(input)?);
        let mut key = before.get(..shared).ok_or(Damage::Value("key"))?.to_vec();
        key.extend_from_slice(input.octets(rest)?);
        if key.len() > MAX_TEXT || (place > 0 && key <= before) {
            return Err(Damage::Value("key"));
        }
        octets.extend_from_slice(&key);
        ends.push(octets.len());
        before = key;
    }
    Ok((ends, octets))
}

fn columns(input: &mut Input<'_>, count: usize) -> Result<Vec<Sum>, Damage> {
    let mut sums = vec![Sum::ZERO; count];
    for at in 0..Sum::ZERO.0.len() {
        for sum in &mut sums {
            let number = input.number()?;
            sum.0.iter_mut().skip(at).take(1).for_each(|own| *own = number);
        }
    }
    Ok(sums)
}

fn label<'a>(input: &mut Input<'a>) -> Result<Option<&'a str>, Damage> {
    let Some(length) = length(input)?.checked_sub(1) else { return Ok(None) };
    if length > MAX_TEXT {
        return Err(Damage::Value("label"));
    }
    std::str::from_utf8(input.octets(length)?).map(Some).map_err(|_| Damage::Utf8)
}

fn length(input: &mut Input<'_>) -> Result<usize, Damage> {
    usize::try_from(input.number()?).map_err(|_| Damage::Short)
}

#[cfg(test)]
mod tests;
