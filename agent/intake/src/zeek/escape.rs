//! Escapes of Zeek's TSV: `\xNN` for an octet, `\\` for a backslash.

use std::borrow::Cow;

/// `text` without escapes; as it is where the octets would be no UTF-8.
pub(super) fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    match String::from_utf8(octets(text)) {
        Ok(text) => Cow::Owned(text),
        Err(_) => Cow::Borrowed(text),
    }
}

/// The octets that `text` stands for. A backslash that begins no escape stands for itself.
pub(super) fn octets(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (octet, after) = match after {
            [b'x', high, low, after @ ..] if first == b'\\' => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (first, &rest[1..]),
            },
            [b'\\', after @ ..] if first == b'\\' => (first, after),
            _ => (first, after),
        };
        out.push(octet);
        rest = after;
    }
    out
}

/// `octets` with those escaped that would end a token or a line, or are no ASCII.
pub(super) fn escaped(octets: &[u8]) -> String {
    let mut out = String::with_capacity(octets.len());
    for &octet in octets {
        match octet {
            b'\\' => out.push_str("\\\\"),
            b'!'..=b'~' => out.push(octet.into()),
            _ => out.push_str(&format!("\\x{octet:02x}")),
        }
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{escaped, octets, unescaped};

    #[test]
    fn escapes_are_undone_where_text_comes_of_it() {
        for (said, meant) in [
            ("plain", "plain"),
            (r"a\x09b", "a\tb"),
            (r"\xc2\xae", "®"),
            (r"AB\\xffCD\x00", "AB\\xffCD\0"),
            (r"abc\x0a\xffdef", r"abc\x0a\xffdef"),
            (r"C:\dir\xzz\x4", r"C:\dir\xzz\x4"),
            ("\\", "\\"),
        ] {
            assert_eq!(unescaped(said), meant, "{said}");
        }
    }

    #[test]
    fn any_octets_survive_being_escaped() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(octets(&escaped(&all)), all);
        assert!(escaped(&all).bytes().all(|octet| octet.is_ascii_graphic()));
    }
}
