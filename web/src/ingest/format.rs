//! Formats by name, and the routes: as what records are to be read.

use std::borrow::Cow;

use weir_intake::Dialect;

use super::fault::{Fault, Refusal};

/// Names that are known, for answers.
const KNOWN: &str =
    "flows.v1, flows, netflow, zeek.conn.v1, zeek.conn, zeek, or zeek.<log> with or without .v1";
/// No log's name is longer.
const MAX_LOG: usize = 64;
/// What `POST /v1/ingest/bulk` says to another type.
const BULK_TYPES: &str = "Type must be 'zeek' or 'netflow'";

/// A route that takes records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v1/ingest`
    Any,
    /// `/v1/ingest/zeek`
    Zeek,
    /// `/v1/ingest/netflow`
    Netflow,
    /// `/v1/ingest/bulk`
    Bulk,
}

/// What an envelope says beside its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) collector_id: Option<String>,
    pub(super) format: Option<String>,
    pub(super) kind: Option<String>,
}

impl Route {
    /// The route at `path`.
    pub(super) fn at(path: &str) -> Self {
        match path.rsplit('/').next() {
            Some("zeek") => Self::Zeek,
            Some("netflow") => Self::Netflow,
            Some("bulk") => Self::Bulk,
            _ => Self::Any,
        }
    }

    /// As what records are read here, after what the envelope said so far.
    pub(super) fn dialect(self, said: &Envelope) -> Result<Dialect, Fault> {
        if self == Self::Bulk {
            return match said.kind.as_deref() {
                Some("zeek") => Ok(Dialect::Zeek(None)),
                Some("netflow") => Ok(Dialect::Netflow),
                _ => Err(Fault::bad(Refusal::BadBulk, "unknown_format", BULK_TYPES)),
            };
        }
        let name = said.format.as_ref().or(said.kind.as_ref());
        let named = name.map(|name| named(name).ok_or_else(|| unknown_format(name))).transpose()?;
        match (self, named) {
            (Self::Zeek, None) => Ok(Dialect::Zeek(None)),
            (Self::Netflow, None | Some(Dialect::Flow)) => Ok(Dialect::Netflow),
            (_, None) => Ok(Dialect::Any),
            (Self::Zeek, Some(Dialect::Flow | Dialect::Netflow)) => {
                Err(unknown("This route takes Zeek's logs; send flows to /v1/ingest or /v1/ingest/netflow"))
            }
            (Self::Netflow, Some(Dialect::Zeek(_))) => {
                Err(unknown("This route takes flows; send Zeek's logs to /v1/ingest or /v1/ingest/zeek"))
            }
            (_, Some(named)) => Ok(named),
        }
    }
}

/// The format of that name.
fn named(name: &str) -> Option<Dialect> {
    match name {
        "flows" | "flows.v1" => return Some(Dialect::Flow),
        "netflow" => return Some(Dialect::Netflow),
        "zeek" => return Some(Dialect::Zeek(None)),
        _ => (),
    }
    let log = name.strip_prefix("zeek.")?;
    let log = log.strip_suffix(".v1").unwrap_or(log);
    let fits = (1..=MAX_LOG).contains(&log.len())
        && log.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_' || octet == b'-');
    fits.then(|| Dialect::Zeek(Some(log.into())))
}

fn unknown_format(name: &str) -> Fault {
    let shown: String = name.chars().take(MAX_LOG).collect();
    unknown(format!("The format {shown:?} is not known; use {KNOWN}"))
}

fn unknown(detail: impl Into<Cow<'static, str>>) -> Fault {
    Fault::bad(Refusal::InvalidFormat, "unknown_format", detail)
}

#[cfg(test)]
mod tests {
    use weir_intake::Dialect;

    use super::{Envelope, Route};

    fn dialect(route: Route, format: Option<&str>, kind: Option<&str>) -> Option<Dialect> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let said = Envelope { format: own(format), kind: own(kind), collector_id: None };
        route.dialect(&said).ok()
    }

    #[test]
    fn formats_are_known_by_all_their_names() {
        let zeek = |log: &str| Some(Dialect::Zeek(Some(log.into())));
        for (name, known) in [
            ("flows.v1", Some(Dialect::Flow)),
            ("flows", Some(Dialect::Flow)),
            ("netflow", Some(Dialect::Netflow)),
            ("zeek", Some(Dialect::Zeek(None))),
            ("zeek.conn.v1", zeek("conn")),
            ("zeek.conn", zeek("conn")),
            ("zeek.dns.v1", zeek("dns")),
            ("zeek.known_hosts", zeek("known_hosts")),
            ("zeek.", None),
            ("zeek.v2.x/y", None),
            ("flows.v2", None),
            ("", None),
        ] {
            assert_eq!(dialect(Route::Any, Some(name), None), known, "{name}");
            assert_eq!(dialect(Route::Any, None, Some(name)), known, "{name} as type");
        }
        assert_eq!(dialect(Route::Any, Some("flows"), Some("zeek")), Some(Dialect::Flow));
        assert_eq!(dialect(Route::Any, None, None), Some(Dialect::Any));
    }

    #[test]
    fn typed_routes_take_their_own_kind_only() {
        assert_eq!(dialect(Route::Zeek, None, None), Some(Dialect::Zeek(None)));
        assert_eq!(dialect(Route::Zeek, Some("flows.v1"), None), None);
        assert_eq!(dialect(Route::Netflow, None, None), Some(Dialect::Netflow));
        assert_eq!(dialect(Route::Netflow, Some("flows.v1"), None), Some(Dialect::Netflow));
        assert_eq!(dialect(Route::Netflow, Some("zeek"), None), None);
        assert_eq!(dialect(Route::Bulk, None, Some("zeek")), Some(Dialect::Zeek(None)));
        assert_eq!(dialect(Route::Bulk, None, Some("netflow")), Some(Dialect::Netflow));
        for kind in [None, Some("flows"), Some("Zeek")] {
            assert_eq!(dialect(Route::Bulk, Some("zeek"), kind), None);
        }
    }
}
