//! Bodies: compressed, cut, and made to do harm.

use std::io::Write;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;

/// Octets that are written to a compressor at a time.
const PIECE: usize = 1 << 20;

/// `plain` as one gzip member (RFC 1952).
///
/// # Panics
/// Never: memory takes it.
#[must_use]
pub fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

/// `plain` as one zstd frame (RFC 8878).
///
/// # Panics
/// Never: memory takes it.
#[must_use]
pub fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).expect("memory")
}

/// A gzip member that inflates to valid JSON of `octets` octets, nearly all of it spaces in an array.
///
/// # Panics
/// Where there is no `gzip`.
#[must_use]
pub fn gzip_bomb(octets: usize) -> Vec<u8> {
    // The program is many times as fast as the crate in a test that is not optimized.
    let mut gzip = Command::new("gzip");
    let mut gzip =
        gzip.arg("-9c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is there");
    let mut input = gzip.stdin.take().expect("a pipe");
    std::thread::scope(|scope| {
        scope.spawn(move || swell(&mut input, octets));
        gzip.wait_with_output().expect("it ends").stdout
    })
}

/// As [`gzip_bomb`], as a zstd frame; such a one is a thousand times smaller still.
///
/// # Panics
/// Never: memory takes it.
#[must_use]
pub fn zstd_bomb(octets: usize) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("memory");
    swell(&mut encoder, octets);
    encoder.finish().expect("memory")
}

fn swell(into: &mut impl Write, octets: usize) {
    let spaces = vec![b' '; PIECE];
    into.write_all(b"[").expect("memory");
    let mut left = octets.saturating_sub(2);
    while left > 0 {
        let now = left.min(PIECE);
        into.write_all(&spaces[..now]).expect("memory");
        left -= now;
    }
    into.write_all(b"]").expect("memory");
}

/// Objects as lines (NDJSON).
#[must_use]
pub fn lines<'a>(records: impl IntoIterator<Item = &'a serde_json::Value>) -> Vec<u8> {
    records.into_iter().flat_map(|record| format!("{record}\n").into_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{gzip_bomb, zstd_bomb};

    #[test]
    fn bombs_are_small_and_inflate_to_what_was_asked() {
        let (gzip, zstd) = (gzip_bomb(3 << 20), zstd_bomb(3 << 20));
        assert!(gzip.len() < 8_000 && zstd.len() < 4_000, "{} {}", gzip.len(), zstd.len());
        let mut text = String::new();
        flate2::read::GzDecoder::new(&gzip[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text.len(), 3 << 20);
        let mut same = String::new();
        zstd::Decoder::new(&zstd[..]).unwrap().take(4 << 20).read_to_string(&mut same).unwrap();
        assert!(same == text);
        assert!(serde_json::from_str::<Vec<u8>>(&text).unwrap().is_empty());
    }
}
