//! The input of the target `frame`: a few frames of any link type with their times, in a form that mutates well.
//!
//! An octet of options, then for each frame: link type, VLAN identifier that the kernel took out (0 for none), time
//! step (two octets), length, data. Written by `seeds`, read by `targets/frame.rs`.

use weir::packet::LinkType;

/// Bit of the options: count tunnelled packets by their inner header.
pub const LOOK_INSIDE: u8 = 1;

/// A step of 1 is this many microseconds, so that steps reach from nothing to ten minutes, to and fro.
pub const STEP_MICROS: i64 = 1 << 14;

/// All link types.
pub const LINKS: [LinkType; 8] = [
    LinkType::Ethernet,
    LinkType::RawIp,
    LinkType::Null,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Ppp,
    LinkType::PppEther,
    LinkType::Nflog,
];

/// A frame of the input.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Link type.
    pub link: LinkType,
    /// VLAN identifier beside the frame; 0 for none.
    pub vlan: u8,
    /// Time since the frame before, in units of [`STEP_MICROS`].
    pub step: i16,
    /// The frame.
    pub data: &'a [u8],
}

/// Options and frames of an input; the last frame may be cut.
#[must_use]
pub fn read(input: &[u8]) -> (u8, Steps<'_>) {
    let (&options, rest) = input.split_first().unwrap_or((&0, &[]));
    (options, Steps(rest))
}

/// The frames of an input.
#[derive(Clone, Debug)]
pub struct Steps<'a>(&'a [u8]);

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        let (&[link, vlan, high, low, length], rest) = self.0.split_first_chunk()?;
        let (data, rest) = rest.split_at(usize::from(length).min(rest.len()));
        self.0 = rest;
        let link = LINKS[usize::from(link) % LINKS.len()];
        Some(Step { link, vlan, step: i16::from_be_bytes([high, low]), data })
    }
}

/// Appends a frame to an input; what is longer than 255 octets is cut.
pub fn push(input: &mut Vec<u8>, step: Step<'_>) {
    let data = &step.data[..step.data.len().min(usize::from(u8::MAX))];
    let link = LINKS.iter().position(|&link| link == step.link).and_then(|at| u8::try_from(at).ok());
    let length = u8::try_from(data.len()).expect("cut to 255");
    let [high, low] = step.step.to_be_bytes();
    input.extend([link.expect("a known link type"), step.vlan, high, low, length]);
    input.extend(data);
}
