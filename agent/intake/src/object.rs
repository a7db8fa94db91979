//! A JSON object taken apart: its members in order, borrowed from the text.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::{Reason, Rejected, Said};

/// Octets of one object. Records of real exporters have up to 8 KiB; what is written of one always fits into a record of
/// the ring, which holds 1 MiB.
pub(crate) const MAX_BYTES: usize = 256 << 10;
/// Members of one object. Real records have up to 120; each name is compared with those before it.
pub(crate) const MAX_MEMBERS: usize = 256;
/// Lists and objects within each other, so that whoever reads them again needs a bounded stack.
pub(crate) const MAX_DEPTH: usize = 32;

/// Name and value.
pub(crate) type Member<'a> = (Cow<'a, str>, Said<'a>);

/// Takes the object `json` apart and appends its members to `list`, each name once: the first word stands.
///
/// # Errors
/// Where it is no object, no valid JSON (RFC 8259), or beyond the limits above.
pub(crate) fn read<'a>(json: &'a [u8], list: &mut Vec<Member<'a>>) -> Result<(), Rejected> {
    if json.len() > MAX_BYTES {
        return Err(Reason::TooLarge.of(""));
    }
    let text = str::from_utf8(json).map_err(|_| Reason::BadUtf8.of(""))?;
    read_text(text, list)
}

/// As [`read`].
pub(crate) fn read_text<'a>(text: &'a str, list: &mut Vec<Member<'a>>) -> Result<(), Rejected> {
    let mut scan = Scan { text, at: 0 };
    if scan.next() != b'{' {
        let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
        return Err(if is_json { Reason::NotAnObject } else { Reason::InvalidJson }.of(""));
    }
    members(&mut scan, list).map_err(|fault| match fault {
        Fault::TooLarge => Reason::TooLarge.of(""),
        Fault::Invalid => Reason::InvalidJson.of(""),
    })
}

/// Members from the brace to the end of the text.
fn members<'a>(scan: &mut Scan<'a>, list: &mut Vec<Member<'a>>) -> Result<(), Fault> {
    let (mut names, mut count) = (Names::default(), 0);
    scan.eat(b'{')?;
    let mut is_more = scan.next() != b'}';
    while is_more {
        count += 1;
        if count > MAX_MEMBERS {
            return Err(Fault::TooLarge);
        }
        scan.next();
        let name = scan.string()?;
        scan.eat(b':')?;
        let said = scan.value()?;
        if !names.is_again(&name, list) {
            list.push((name, said));
        }
        is_more = scan.next() == b',';
        scan.at += usize::from(is_more);
    }
    scan.eat(b'}')?;
    scan.next();
    if scan.at == scan.text.len() { Ok(()) } else { Err(Fault::Invalid) }
}

/// Names of an object so far: a bit for each, so that a name is hardly ever compared with the others.
#[derive(Default)]
struct Names(u64);

impl Names {
    /// True when `name` is in the list.
    fn is_again(&mut self, name: &str, list: &[Member<'_>]) -> bool {
        let bytes = name.as_bytes();
        let (first, last) = (bytes.first().copied().unwrap_or(0), bytes.last().copied().unwrap_or(0));
        let mixed = usize::from(first).wrapping_mul(31) ^ usize::from(last).wrapping_mul(7) ^ bytes.len();
        let bit = 1 << (mixed % 64);
        let is_maybe = self.0 & bit != 0;
        self.0 |= bit;
        is_maybe && list.iter().any(|(known, _)| known == name)
    }
}

/// Why an object cannot be taken apart.
enum Fault {
    TooLarge,
    Invalid,
}

/// A place in the text of an object (RFC 8259). What most records are made of, plain texts and numbers, is read here;
/// serde_json reads the rest.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// The octet here; zero, which stands nowhere in JSON, at the end.
    #[inline]
    fn byte(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    /// The next octet that is no space.
    #[inline]
    fn next(&mut self) -> u8 {
        loop {
            match self.byte() {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return byte,
            }
        }
    }

    /// Goes over the next octet that is no space.
    #[inline]
    fn eat(&mut self, byte: u8) -> Result<(), Fault> {
        if self.next() != byte {
            return Err(Fault::Invalid);
        }
        self.at += 1;
        Ok(())
    }

    fn since(&self, from: usize) -> &'a str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    /// A text, borrowed where it has no escapes.
    #[inline]
    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        match self.plain_string() {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => self.escaped_string(),
        }
    }

    /// A text without escapes; goes over it.
    #[inline]
    fn plain_string(&mut self) -> Option<&'a str> {
        let from = self.at + 1;
        let rest = self.text.as_bytes().get(from..).filter(|_| self.byte() == b'"')?;
        let end = from + plain(rest);
        let text = self.text.get(from..end)?;
        self.at = end;
        if self.byte() != b'"' {
            self.at = from - 1;
            return None;
        }
        self.at += 1;
        Some(text)
    }

    #[cold]
    fn escaped_string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let raw = self.raw()?;
        serde_json::from_str(raw).map(Cow::Owned).map_err(|_| Fault::Invalid)
    }

    /// Any value, as its text.
    fn raw(&mut self) -> Result<&'a str, Fault> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut input = serde_json::Deserializer::from_str(rest);
        let raw = <&RawValue>::deserialize(&mut input).map_err(|_| Fault::Invalid)?.get();
        self.at += raw.len();
        Ok(raw)
    }

    #[inline]
    fn value(&mut self) -> Result<Said<'a>, Fault> {
        Ok(match self.next() {
            b'"' => Said::Text(self.string()?),
            b'-' | b'0'..=b'9' => Said::Number(self.number()?),
            b'[' | b'{' => {
                let raw = self.raw()?;
                check(raw)?;
                Said::Json(Cow::Borrowed(raw))
            }
            _ => match self.raw()? {
                "null" => Said::Null,
                word => Said::Bool(word == "true"),
            },
        })
    }

    #[inline]
    fn number(&mut self) -> Result<&'a str, Fault> {
        let from = self.at;
        self.at += usize::from(self.byte() == b'-');
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), b'+' | b'-'));
            self.digits()?;
        }
        Ok(self.since(from))
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Fault> {
        let from = self.at;
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == from { Err(Fault::Invalid) } else { Ok(()) }
    }
}

/// Octets at the beginning of `text` that stand for themselves in a JSON text: neither a quote nor a backslash nor a control
/// character. Eight at a time, since texts are what most of a record is.
#[inline]
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The lowest high bit marks the first zero octet (H. Warren, Hacker's Delight, 6-1).
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(ONES * u64::from(b' ')) & !word & HIGH;
        let found = zero(word ^ (ONES * u64::from(b'"'))) | zero(word ^ (ONES * u64::from(b'\\'))) | control;
        if found != 0 {
            return 8 * at + found.trailing_zeros() as usize / 8;
        }
    }
    let is_end = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
    text.len() - rest.len() + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// Looks at what lies within a list or an object: how deep it goes, and whether each text is one.
fn check(raw: &str) -> Result<(), Fault> {
    let (mut depth, mut begin) = (0, None);
    let mut bytes = raw.bytes().enumerate();
    let mut is_escaped = false;
    while let Some((at, byte)) = bytes.next() {
        match (begin, byte) {
            (None, b'[' | b'{') => depth += 1,
            (None, b']' | b'}') => depth -= 1,
            (None, b'"') => (begin, is_escaped) = (Some(at), false),
            (Some(_), b'\\') => {
                is_escaped = true;
                bytes.next();
            }
            (Some(from), b'"') => {
                let text = raw.get(from..=at).unwrap_or_default();
                if is_escaped && serde_json::from_str::<String>(text).is_err() {
                    return Err(Fault::Invalid);
                }
                begin = None;
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(Fault::TooLarge);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::{MAX_BYTES, MAX_DEPTH, MAX_MEMBERS, read};
    use crate::{Reason, Rejected, Said};

    fn members(json: &[u8]) -> Result<Vec<(String, Said<'_>)>, Rejected> {
        let mut list = Vec::new();
        read(json, &mut list)?;
        Ok(list.into_iter().map(|(name, said)| (name.into_owned(), said)).collect())
    }

    fn reason(json: impl AsRef<[u8]>) -> Option<Reason> {
        members(json.as_ref()).err().map(|rejected| rejected.reason)
    }

    #[test]
    fn members_come_in_order_with_numbers_as_they_were_written() {
        let json =
            br#" {"b": 1.50, "a\u0041": "x\ny", "t": true, "n": null, "l": [1, {"k": "\u00e9"}], "e": ""} "#;
        let list = members(json).unwrap();
        let expected = [
            ("b", Said::Number("1.50")),
            ("aA", Said::Text("x\ny".into())),
            ("t", Said::Bool(true)),
            ("n", Said::Null),
            ("l", Said::Json(r#"[1, {"k": "\u00e9"}]"#.into())),
            ("e", Said::Text("".into())),
        ];
        assert_eq!(list, expected.map(|(name, said)| (name.to_owned(), said)));
    }

    #[test]
    fn the_first_word_of_a_name_stands() {
        let list = members(br#"{"a":1,"b":2,"a":3,"\u0061":4}"#).unwrap();
        assert_eq!(list, [("a".to_owned(), Said::Number("1")), ("b".to_owned(), Said::Number("2"))]);
    }

    #[test]
    fn what_is_no_object_is_told_from_what_is_no_json() {
        for json in ["[]", " 5", "\"x\"", "null", "[{\"a\":1}]"] {
            assert_eq!(reason(json), Some(Reason::NotAnObject), "{json}");
        }
        for json in [
            "",
            "  ",
            "x",
            "{",
            "{}}",
            "{} {}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":1.}",
            "{\"a\":NaN}",
            "{\"a\":'x'}",
            "{\"a\":\"\u{1}\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":[\"\\ud800\"]}",
            "{\"\\ud800\":1}",
            "{\"a\":[1}",
            "{\"a\":[1,]}",
            "{\"a\":tru}",
            "\u{feff}{}",
        ] {
            assert_eq!(reason(json), Some(Reason::InvalidJson), "{json}");
        }
        assert_eq!(reason(b"{\"a\":\"\xff\"}"), Some(Reason::BadUtf8));
    }

    #[test]
    fn the_end_of_a_text_is_found_wherever_it_is() {
        for end in [b'"', b'\\', b'\n', 0, 0x1f] {
            for at in 0..40 {
                let mut text = *b"\x80\xff !#[]\x7f\xa0abcdefghijklmnopqrstuvwxyz\x9f012345";
                text[at] = end;
                text[39] = b'"';
                assert_eq!(super::plain(&text), at.min(39), "{end} at {at}");
                assert_eq!(super::plain(&text[..at]), at);
            }
        }
    }

    #[test]
    fn size_depth_and_members_are_bounded() {
        let deep = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(reason(deep(MAX_DEPTH)), None);
        assert_eq!(reason(deep(MAX_DEPTH + 1)), Some(Reason::TooLarge));
        assert_eq!(reason(deep(50_000)), Some(Reason::TooLarge));
        assert_eq!(reason(format!("{{\"a\":\"{}\"}}", "[".repeat(100))), None, "brackets in a text");
        assert_eq!(reason(format!("{{\"a\":[\"\\\"{}\"]}}", "[".repeat(100))), None, "after an escape");
        let many = |count: usize| {
            let all: Vec<_> = (0..count).map(|at| format!("\"{at}\":1")).collect();
            format!("{{{}}}", all.join(","))
        };
        assert_eq!(members(many(MAX_MEMBERS).as_bytes()).map(|list| list.len()), Ok(MAX_MEMBERS));
        assert_eq!(reason(many(MAX_MEMBERS + 1)), Some(Reason::TooLarge));
        let again = vec!["\"a\":1"; MAX_MEMBERS + 1].join(",");
        assert_eq!(reason(format!("{{{again}}}")), Some(Reason::TooLarge), "of one name too");
        assert_eq!(reason(format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_BYTES))), Some(Reason::TooLarge));
    }

    /// Text that is JSON, or nearly.
    fn nearly() -> impl Strategy<Value = String> {
        "(\\{|\\[|\\}|\\]|\"a\"|\"b\"|:|,|1|-0\\.5e3|\"\\\\u00e9\"|\"\\\\ud8\"|true|null| |\"|\\\\){0,14}"
            .prop_map(|inner| format!("{{{inner}}}"))
    }

    proptest! {
        #[test]
        fn serde_json_is_the_judge(text in nearly()) {
            let judged = serde_json::from_str::<Value>(&text).is_ok();
            prop_assert_eq!(members(text.as_bytes()).is_ok(), judged, "{}", text);
        }

        #[test]
        fn values_are_those_of_serde_json(text in nearly()) {
            if let (Ok(list), Ok(Value::Object(map))) = (members(text.as_bytes()), serde_json::from_str(&text)) {
                prop_assert_eq!(list.len(), map.len());
                if text.matches("\"a\"").count() < 2 && text.matches("\"b\"").count() < 2 {
                    for (name, said) in &list {
                        prop_assert_eq!(Some(&said.value()), map.get(name));
                    }
                }
            }
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = members(&octets);
        }
    }
}
