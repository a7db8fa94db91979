//! How a body is packed: `Content-Encoding` (RFC 9110 §8.4), or what its first octets say.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

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
}
