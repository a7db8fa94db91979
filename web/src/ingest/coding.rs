//! How a body is packed: `Content-Encoding` (RFC 9110 §8.4), or what its first octets say.

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};

/// First octets of gzip (RFC 1952 §2.3.1) and of a Zstandard frame (RFC 8878 §3.1.1).
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A way of packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// None.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The name in headers and answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// What `headers` say; `None` for a coding that is not known, and for several.
    pub(crate) fn named(headers: &HeaderMap) -> Option<Self> {
        let mut found = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',') {
                let coding = Self::parse(name.trim())?;
                if coding != Self::Identity && found != Self::Identity {
                    return None;
                }
                found = if coding == Self::Identity { found } else { coding };
            }
        }
        Some(found)
    }

    /// What an answer is packed with: the coding that `headers` weigh most in `Accept-Encoding` (RFC 9110 §12.5.3), of equal
    /// ones the one that takes least work; `None` when they accept none, not even a plain answer.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut listed = Vec::new();
        for value in headers.get_all(ACCEPT_ENCODING) {
            for entry in value.to_str().unwrap_or_default().split(',') {
                let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
                listed.push((name.trim(), thousandths(weight)));
            }
        }
        let named = |coding: Self| {
            let names = |name: &str| !name.is_empty() && Self::parse(name) == Some(coding);
            listed.iter().find(|(name, _)| names(name)).map(|&(_, weight)| weight)
        };
        let others = listed.iter().find(|(name, _)| *name == "*").map(|&(_, weight)| weight);
        // What nobody names is refused, but for the plain answer.
        let packed = |coding| named(coding).or(others).unwrap_or(0);
        let plain = named(Self::Identity).unwrap_or(if others == Some(0) { 0 } else { 1 });
        let weighed =
            [(Self::Identity, plain), (Self::Gzip, packed(Self::Gzip)), (Self::Zstd, packed(Self::Zstd))];
        let best = weighed.into_iter().max_by_key(|&(_, weight)| weight)?;
        (best.1 > 0).then_some(best.0)
    }

    /// What packs `body`: what `headers` say, and where they say nothing what it begins with. No JSON begins so.
    pub(super) fn of(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let named = Self::named(headers)?;
        Some(match named {
            Self::Identity if body.starts_with(GZIP_MAGIC) => Self::Gzip,
            Self::Identity if body.starts_with(ZSTD_MAGIC) => Self::Zstd,
            named => named,
        })
    }

    fn parse(name: &str) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // RFC 9110 §8.4.1.3: x-gzip is gzip.
        if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("zstd") {
            Some(Self::Zstd)
        } else {
            (is("identity") || name.is_empty()).then_some(Self::Identity)
        }
    }
}

/// A weight, `q=0.5`, in thousandths; what cannot be read is no wish.
fn thousandths(weight: &str) -> u32 {
    let weight = weight.trim();
    if weight.is_empty() {
        return 1_000;
    }
    let number = weight.strip_prefix("q=").or_else(|| weight.strip_prefix("Q=")).unwrap_or("0").trim();
    let (whole, rest) = number.split_once('.').unwrap_or((number, ""));
    let is_short = rest.len() <= 3 && rest.bytes().all(|digit| digit.is_ascii_digit());
    match (whole, format!("{rest:0<3}").parse::<u32>()) {
        ("0", Ok(thousandths)) if is_short => thousandths,
        ("1", Ok(0)) if is_short => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Coding, GZIP_MAGIC, ZSTD_MAGIC};

    fn of(fields: &[&'static str], body: &[u8]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("content-encoding", HeaderValue::from_static(field));
        }
        Coding::of(&headers, body)
    }

    #[test]
    fn the_header_says_how_a_body_is_packed_and_where_it_is_silent_the_first_octets_do() {
        for (fields, body, coding) in [
            (&[][..], &b"[]"[..], Coding::Identity),
            (&["identity"], b"[]", Coding::Identity),
            (&["GZIP"], b"", Coding::Gzip),
            (&["x-gzip"], b"", Coding::Gzip),
            (&["identity, zstd"], b"", Coding::Zstd),
            (&[], GZIP_MAGIC, Coding::Gzip),
            (&["identity"], ZSTD_MAGIC, Coding::Zstd),
        ] {
            assert_eq!(of(fields, body), Some(coding), "{fields:?}");
        }
    }

    #[test]
    fn several_codings_and_unknown_ones_are_refused() {
        for fields in [&["br"][..], &["deflate"], &["gzip, gzip"], &["gzip", "zstd"], &["gzip,br"]] {
            assert_eq!(of(fields, b"[]"), None, "{fields:?}");
        }
    }

    #[test]
    fn an_answer_is_packed_as_its_reader_likes_it_most() {
        let accepted = |fields: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append("accept-encoding", HeaderValue::from_static(field));
            }
            Coding::accepted(&headers)
        };
        for (fields, coding) in [
            (&[][..], Some(Coding::Identity)),
            (&[""], Some(Coding::Identity)),
            (&["gzip"], Some(Coding::Gzip)),
            (&["gzip, deflate, br, zstd"], Some(Coding::Zstd)),
            (&["GZIP;Q=1.0, zstd;q=0.5"], Some(Coding::Gzip)),
            (&["gzip;q=0.001", "identity;q=0.5"], Some(Coding::Identity)),
            (&["gzip;q=0"], Some(Coding::Identity)),
            (&["br"], Some(Coding::Identity)),
            (&["*"], Some(Coding::Zstd)),
            (&["*;q=0.5, zstd;q=0"], Some(Coding::Gzip)),
            (&["*;q=0"], None),
            (&["identity;q=0"], None),
            (&["identity;q=0, gzip"], Some(Coding::Gzip)),
            (&["gzip;q=2"], Some(Coding::Identity)),
            (&["gzip;q=nan, zstd;q=-1, \u{7e};;;q"], Some(Coding::Identity)),
        ] {
            assert_eq!(accepted(fields), coding, "{fields:?}");
        }
    }
}
