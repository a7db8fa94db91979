//! API keys and what they allow.
//!
//! Keys come from the agent at start; only their SHA-256 is kept. A key of ours has 256 random bits, so that an
//! unsalted fast hash is enough.

use std::fmt::Write as _;
use std::hint::black_box;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use rustix::io::retry_on_intr;
use rustix::rand::{GetRandomFlags, getrandom};
use sha2::{Digest as _, Sha256};
use weir_flow::Text;

use crate::Error;

/// No longer key is taken or hashed: a head may hold 16 KiB of one.
const MAX_KEY_LENGTH: usize = 512;
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 4;

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// Everything.
    Admin = 1,
    /// Send records.
    Ingest = 2,
    /// Read metrics and events.
    ReadMetrics = 4,
    /// Read events, requests and logs.
    ReadRequests = 8,
    /// Export to the centre.
    Export = 16,
    /// Change indicators.
    ManageIndicators = 32,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Admin,
        Self::Ingest,
        Self::ReadMetrics,
        Self::ReadRequests,
        Self::Export,
        Self::ManageIndicators,
    ];

    /// The name in JSON and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Ingest => "ingest",
            Self::ReadMetrics => "read_metrics",
            Self::ReadRequests => "read_requests",
            Self::Export => "export",
            Self::ManageIndicators => "manage_indicators",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

/// A set of [`Scope`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The scope that allows everything, alone.
    pub const ADMIN: Self = Self(Scope::Admin as u8);

    /// True when `scope` or [`Scope::Admin`] is in the set.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (scope as u8 | Scope::Admin as u8) != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |set, scope| set | scope as u8))
    }
}

/// Who made a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Of the key: the first half of its hash, 32 hexadecimal digits, since a key of the user's own has no name.
    pub(crate) key_id: Text,
    pub(crate) scopes: Scopes,
}

struct Entry {
    hash: [u8; 32],
    caller: Caller,
}

/// The keys that are let in.
#[derive(Default)]
pub struct Keys(Vec<Entry>);

/// Why a request has no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    Missing,
    Wrong,
}

impl Keys {
    /// No key: nobody is let in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nobody is let in.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lets `key` in with `scopes`; a key that is there already gets the new scopes.
    ///
    /// # Errors
    /// [`Error::BadKey`] when a header could not carry it.
    pub fn add(&mut self, key: &str, scopes: Scopes) -> Result<(), Error> {
        if !(1..=MAX_KEY_LENGTH).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::BadKey);
        }
        let hash: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        self.0.retain(|entry| entry.hash != hash);
        let mut key_id = String::with_capacity(hash.len());
        hash.iter().take(hash.len() / 2).for_each(|byte| {
            let _ = write!(key_id, "{byte:02x}");
        });
        self.0.push(Entry { hash, caller: Caller { key_id: key_id.into(), scopes } });
        Ok(())
    }

    /// A new key of 256 random bits, `ta_<id>_<secret>`; the id may be shown, the secret not.
    ///
    /// # Errors
    /// [`Error::Entropy`] when the system gives no random octets.
    pub fn generate() -> Result<String, Error> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        // Waits, early in the first boot, until the kernel has collected enough; /dev/urandom would not. So few octets
        // come all at once (getrandom(2)).
        retry_on_intr(|| getrandom(&mut random, GetRandomFlags::empty()))
            .map_err(|error| Error::Entropy(error.into()))?;
        let mut key = String::with_capacity(4 + 2 * random.len());
        key.push_str("ta_");
        for (at, byte) in random.iter().enumerate() {
            if at == ID_BYTES {
                key.push('_');
            }
            let _ = write!(key, "{byte:02x}");
        }
        Ok(key)
    }

    /// The caller whose key the request carries, as `Authorization: Bearer` or `X-API-Key`.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<&Caller, Denied> {
        let key = presented(headers).ok_or(Denied::Missing)?;
        if key.len() > MAX_KEY_LENGTH {
            return Err(Denied::Wrong);
        }
        let hash: [u8; 32] = Sha256::digest(key).into();
        // Every entry is compared whole, so that time tells nothing about which one is near.
        let mut found = None;
        for entry in &self.0 {
            if same(&entry.hash, &hash) {
                found = Some(&entry.caller);
            }
        }
        found.ok_or(Denied::Wrong)
    }
}

fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |all, (x, y)| black_box(all | (x ^ y)));
    difference == 0
}

fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked("Bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
    });
    let key = bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes().trim_ascii()))?;
    (!key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{Denied, Keys, Scope, Scopes};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn a_key_is_taken_from_either_header() {
        let mut keys = Keys::new();
        keys.add("secret-1", Scopes::ADMIN).unwrap();
        for (name, value) in [
            ("authorization", "Bearer secret-1"),
            ("authorization", "bearer  secret-1 "),
            ("x-api-key", "secret-1"),
        ] {
            assert!(keys.caller(&headers(name, value)).is_ok(), "{name}: {value}");
        }
        let mut both = headers("authorization", "Basic Zm9vOmJhcg==");
        both.insert("x-api-key", HeaderValue::from_static("secret-1"));
        assert!(keys.caller(&both).is_ok());
    }

    #[test]
    fn no_key_and_a_wrong_key_are_told_apart() {
        let mut keys = Keys::new();
        keys.add("secret-1", Scopes::ADMIN).unwrap();
        assert_eq!(keys.caller(&HeaderMap::new()).unwrap_err(), Denied::Missing);
        assert_eq!(keys.caller(&headers("authorization", "Bearer ")).unwrap_err(), Denied::Missing);
        for wrong in ["Bearer secret-2", "Bearer secret-1x", "Bearer secret-"] {
            assert_eq!(keys.caller(&headers("authorization", wrong)).unwrap_err(), Denied::Wrong);
        }
        assert_eq!(keys.caller(&headers("x-api-key", &"k".repeat(4000))).unwrap_err(), Denied::Wrong);
    }

    #[test]
    fn without_keys_nobody_is_let_in() {
        assert!(Keys::new().caller(&headers("x-api-key", "admin-key")).is_err());
    }

    #[test]
    fn scopes_allow_themselves_and_admin_allows_all() {
        let reader: Scopes = [Scope::ReadMetrics].into_iter().collect();
        for scope in Scope::ALL {
            assert_eq!(reader.allow(scope), scope == Scope::ReadMetrics);
            assert!(Scopes::ADMIN.allow(scope));
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
    }

    #[test]
    fn a_generated_key_has_256_random_bits_and_works() {
        let (a, b) = (Keys::generate().unwrap(), Keys::generate().unwrap());
        assert_ne!(a, b);
        let parts: Vec<_> = a.split('_').collect();
        assert_eq!((parts[0], parts[1].len(), parts[2].len()), ("ta", 8, 64));
        let mut keys = Keys::new();
        keys.add(&a, Scopes::ADMIN).unwrap();
        assert!(keys.caller(&headers("x-api-key", &a)).is_ok());
        assert!(keys.caller(&headers("x-api-key", &b)).is_err());
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused() {
        for key in ["", "two words", "line\nfeed", "schlüssel"] {
            assert!(Keys::new().add(key, Scopes::ADMIN).is_err(), "{key:?}");
        }
    }
}
