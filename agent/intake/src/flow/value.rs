//! Values as tools write them.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use weir_flow::EndReason;

use crate::Said;

/// Octets of a name in DNS, as text (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;
/// Flags by their letters, from the lowest bit: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR (RFC 9293 §3.1).
const FLAG_LETTERS: &[u8; 8] = b"FSRPAUEC";
const FLAG_NAMES: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];
/// Octets of the longest text of flags: all names with a mark between them.
const MAX_FLAGS: usize = 40;
/// Texts with which tools say nothing: nfdump writes them.
const NOTHING: [&str; 3] = ["<none>", "<empty>", "<unknown>"];

/// Puts `value` into `place`; false when another one stands there. A value that is `empty` gives way.
pub(super) fn put<T: PartialEq>(place: &mut Option<T>, value: T, empty: impl Fn(&T) -> bool) -> bool {
    match place {
        Some(known) if *known == value || empty(&value) => true,
        Some(known) if !empty(known) => false,
        _ => {
            *place = Some(value);
            true
        }
    }
}

/// True when nothing is said, in the words of any tool.
pub(super) fn is_nothing(said: &Said<'_>) -> bool {
    said.is_nothing() || matches!(said, Said::Text(text) if NOTHING.contains(&&**text))
}

/// A number that fits into `T`.
pub(super) fn number<T: TryFrom<u64>>(said: &Said<'_>) -> Option<T> {
    T::try_from(said.count()?).ok()
}

/// An address, alone, with a port, or the first of a list.
pub(super) fn address(said: &Said<'_>) -> Option<IpAddr> {
    match said {
        Said::Text(text) => said
            .address()
            .or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip().to_canonical())),
        Said::Json(list) => {
            let first = list.strip_prefix('[')?.trim_start().strip_prefix('"')?.split('"').next()?;
            Said::Text(Cow::Borrowed(first)).address()
        }
        _ => None,
    }
}

/// TCP's flags, the low octet: a number, also as `0x1b`; nfdump's `...AP.SF`, letters in any order, names with marks between
/// them, or a list of names.
pub(super) fn tcp_flags(said: &Said<'_>) -> Option<u8> {
    if let Some(number) = number::<u16>(said) {
        return Some(low_octet(number));
    }
    let text = match said {
        Said::Text(text) => text.trim(),
        Said::Json(list) => list.strip_prefix('[')?.strip_suffix(']')?,
        _ => return None,
    };
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return u16::from_str_radix(digits, 16).ok().filter(|_| is_plain).map(low_octet);
    }
    if text.len() > MAX_FLAGS.max(8 * FLAG_NAMES.len()) {
        return None;
    }
    flag_letters(text).or_else(|| flag_names(text))
}

const fn low_octet(number: u16) -> u8 {
    let [_, low] = number.to_be_bytes();
    low
}

fn flag_letters(text: &str) -> Option<u8> {
    text.bytes().try_fold(0, |flags, letter| match letter {
        b'.' | b'-' => Some(flags),
        letter => {
            let bit = FLAG_LETTERS.iter().position(|&known| known == letter.to_ascii_uppercase())?;
            Some(flags | 1 << bit)
        }
    })
}

fn flag_names(text: &str) -> Option<u8> {
    let words = text.split(|mark: char| !mark.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    let mut flags = None;
    for word in words {
        let bit = FLAG_NAMES.iter().position(|name| name.eq_ignore_ascii_case(word))?;
        flags = Some(flags.unwrap_or(0) | 1 << bit);
    }
    flags
}

/// Why a flow ended: Weir's word, or IPFIX's number (element 136).
pub(super) fn end_reason(said: &Said<'_>) -> Option<EndReason> {
    match number::<u8>(said) {
        Some(number) => EndReason::ALL.into_iter().find(|&reason| reason as u8 == number),
        None => EndReason::parse(&said.as_str()?.to_ascii_lowercase()),
    }
}

/// A name in small letters, without the dot at its end and a port; none for an address, and what is no name.
pub(super) fn domain(text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    let text = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*') || byte >= 0x80;
    let is_name = (1..=MAX_DOMAIN).contains(&name.len())
        && name.bytes().all(is_part)
        && !name.starts_with('.')
        && name.parse::<IpAddr>().is_err();
    let is_small = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    is_name.then(|| if is_small { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) })
}

#[cfg(test)]
mod tests {
    use weir_flow::EndReason;

    use super::{address, domain, end_reason, put, tcp_flags};
    use crate::Said;

    fn text(text: &str) -> Said<'_> {
        Said::Text(text.into())
    }

    #[test]
    fn flags_are_read_in_every_tools_form() {
        for said in [
            text("...AP.SF"),
            text("APSF"),
            text("fspa"),
            text("27"),
            text("0x1b"),
            text("0x001B"),
            Said::Number("27"),
            text("FIN,SYN,PSH,ACK"),
            text("fin|syn|psh|ack"),
            Said::Json(r#"["FIN", "SYN","PSH","ACK"]"#.into()),
            Said::Number("283"),
        ] {
            assert_eq!(tcp_flags(&said), Some(27), "{said:?}");
        }
        assert_eq!(tcp_flags(&text("........")), Some(0));
        assert_eq!(tcp_flags(&text("CEUAPRSF")), Some(255));
        for said in [
            text("0x"),
            text("0x+1"),
            text("XYZ"),
            text("-1"),
            Said::Number("70000"),
            Said::Null,
            Said::Json("[1]".into()),
            Said::Json("{}".into()),
            text("synx"),
            text("0x12345"),
        ] {
            let read = tcp_flags(&said);
            assert_eq!(read, None, "{said:?}");
        }
    }

    #[test]
    fn names_are_small_without_port_and_dot_and_addresses_are_none() {
        for (said, name) in [
            ("Example.COM.", "example.com"),
            ("example.com:8443", "example.com"),
            ("_sip._tcp.a", "_sip._tcp.a"),
            ("bücher.example", "bücher.example"),
            (" host ", "host"),
            ("*.example.com", "*.example.com"),
        ] {
            assert_eq!(domain(said).as_deref(), Some(name));
        }
        let long = "a".repeat(254);
        for said in [
            "",
            ".",
            "..",
            ".a",
            "192.0.2.1",
            "192.0.2.1:80",
            "2001:db8::1",
            "[2001:db8::1]:443",
            "a b",
            "a\tb",
            "http://a/",
            "select * from t",
            &long,
        ] {
            assert_eq!(domain(said), None, "{said}");
        }
    }

    #[test]
    fn exporters_are_read_with_a_port_and_from_a_list() {
        let read = |said: &Said<'_>| address(said).map(|ip| ip.to_string());
        for said in [text("192.0.2.1"), text("192.0.2.1:2055"), Said::Json(r#"["192.0.2.1", "x"]"#.into())] {
            assert_eq!(read(&said).as_deref(), Some("192.0.2.1"), "{said:?}");
        }
        assert_eq!(read(&text("[2001:db8::1]:2055")).as_deref(), Some("2001:db8::1"));
        for said in [
            text("gw1"),
            Said::Json("{}".into()),
            Said::Json("[]".into()),
            Said::Json("[1]".into()),
            Said::Number("1"),
        ] {
            assert_eq!(read(&said), None, "{said:?}");
        }
    }

    #[test]
    fn reasons_are_words_and_numbers() {
        assert_eq!(end_reason(&text("IDLE")), Some(EndReason::Idle));
        assert_eq!(end_reason(&Said::Number("5")), Some(EndReason::Resources));
        assert_eq!(end_reason(&text("6")), None);
        assert_eq!(end_reason(&text("timeout")), None);
    }

    #[test]
    fn the_first_value_that_says_something_stands() {
        let mut place = None;
        let empty = |value: &u8| *value == 0;
        assert!(put(&mut place, 0, empty) && put(&mut place, 7, empty));
        assert!(put(&mut place, 0, empty) && put(&mut place, 7, empty));
        assert!(!put(&mut place, 8, empty));
        assert_eq!(place, Some(7));
    }
}
