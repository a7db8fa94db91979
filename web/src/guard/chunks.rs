//! Taking chunks apart (RFC 9112 §7.1): as the engine writes them, and in no other way. No extensions, no trailers.

use crate::stream::CHUNK;

/// Hexadecimal digits of a chunk's size.
const MAX_DIGITS: u8 = 4;
const _: () = assert!(CHUNK < 1 << (4 * MAX_DIGITS));

/// Octets that are no chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// How far a chunked body has been taken apart.
#[derive(Debug)]
pub(super) struct Chunks(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Size { digits: u8, size: usize },
    SizeEnd { size: usize },
    Data { left: usize },
    DataCr,
    DataLf,
    EndCr,
    EndLf,
    Over,
}

impl Default for Chunks {
    fn default() -> Self {
        Self(State::Size { digits: 0, size: 0 })
    }
}

impl Chunks {
    /// Adds what `octets` hold of the body to `body`.
    pub(super) fn decode(&mut self, mut octets: &[u8], body: &mut Vec<u8>) -> Result<(), Malformed> {
        while let Some((&first, rest)) = octets.split_first() {
            if let State::Data { left } = self.0 {
                let (data, rest) = octets.split_at(left.min(octets.len()));
                body.extend_from_slice(data);
                octets = rest;
                let left = left - data.len();
                self.0 = if left == 0 { State::DataCr } else { State::Data { left } };
            } else {
                self.0 = self.0.after(first)?;
                octets = rest;
            }
        }
        Ok(())
    }

    /// True after the last chunk.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }
}

impl State {
    /// After an octet that is none of the data.
    fn after(self, octet: u8) -> Result<Self, Malformed> {
        match (self, octet) {
            (Self::Size { digits: 1.., size }, b'\r') => Ok(Self::SizeEnd { size }),
            (Self::Size { digits: digits @ ..MAX_DIGITS, size }, b'0'..=b'9' | b'a'..=b'f')
                if size > 0 || octet != b'0' =>
            {
                let digit = char::from(octet).to_digit(16).ok_or(Malformed)?;
                let size = size * 16 + digit as usize;
                if size > CHUNK { Err(Malformed) } else { Ok(Self::Size { digits: digits + 1, size }) }
            }
            // No size begins with a zero but that of the last chunk.
            (Self::Size { digits: 0, .. }, b'0') => Ok(Self::Size { digits: MAX_DIGITS, size: 0 }),
            (Self::SizeEnd { size: 0 }, b'\n') => Ok(Self::EndCr),
            (Self::SizeEnd { size: left }, b'\n') => Ok(Self::Data { left }),
            (Self::DataCr, b'\r') => Ok(Self::DataLf),
            (Self::DataLf, b'\n') => Ok(Self::Size { digits: 0, size: 0 }),
            (Self::EndCr, b'\r') => Ok(Self::EndLf),
            (Self::EndLf, b'\n') => Ok(Self::Over),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::Chunks;
    use crate::stream;

    fn decode(octets: &[u8]) -> Option<(Vec<u8>, bool)> {
        let (mut chunks, mut body) = (Chunks::default(), Vec::new());
        chunks.decode(octets, &mut body).ok()?;
        Some((body, chunks.is_over()))
    }

    #[test]
    fn what_the_engine_would_not_write_is_malformed() {
        assert_eq!(decode(b"3\r\nabc\r\n0\r\n\r\n"), Some((b"abc".to_vec(), true)));
        assert_eq!(decode(b"0\r\n\r\n"), Some((Vec::new(), true)));
        for broken in [&b""[..], b"3\r\nab", b"3\r\nabc\r\n", b"3\r\nabc\r\n0\r\n", b"3\r\nabc\r\n0\r\n\r"] {
            assert_eq!(decode(broken).map(|(_, is_over)| is_over), Some(false), "{broken:?}");
        }
        for bad in [
            &b"3;x=1\r\nabc\r\n"[..],
            b"3\nabc\r\n",
            b"03\r\nabc\r\n",
            b"00\r\n\r\n",
            b"A\r\n",
            b"+3\r\nabc",
            b"\r\n",
            b"4001\r\n",
            b"10000\r\n",
            b"3\r\nabcd\r\n",
            b"0\r\nTrailer: x\r\n\r\n",
            b"0\r\n\r\nHTTP/1.1 200 OK",
        ] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_comes_out_whole_however_it_is_cut(
            body in prop::collection::vec(any::<u8>(), 0..50_000), writes in 1..9_000_usize, cut in 1..9_000_usize,
        ) {
            let mut octets = Vec::new();
            let mut chunks = stream::Chunks::new(&mut octets);
            for piece in body.chunks(writes) {
                chunks.write_all(piece).unwrap();
            }
            chunks.finish().unwrap();
            let (mut chunks, mut found) = (Chunks::default(), Vec::new());
            for piece in octets.chunks(cut) {
                prop_assert!(!chunks.is_over());
                prop_assert_eq!(chunks.decode(piece, &mut found), Ok(()));
            }
            prop_assert!(chunks.is_over());
            prop_assert_eq!(found, body);
        }

        #[test]
        fn any_octets_are_taken_apart_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some((body, _)) = decode(&octets) {
                prop_assert!(body.len() <= octets.len());
            }
        }
    }
}
