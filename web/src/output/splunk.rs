//! The output `splunk`: a Splunk HTTP Event Collector.

use std::fmt;

use serde_json::{Map, Value, json};

use super::check::{Members, Mistake, label, url};
use super::{MASK, MAX_BACKOFF_MS, MAX_BATCH, MAX_RETRIES};

/// Where the collector takes events, unless the URL says another path (Splunk, "Format events for HTTP Event Collector").
const EVENT_PATH: &str = "/services/collector/event";
/// Longest name of an index (Splunk, "Create custom indexes").
const MAX_INDEX: usize = 80;
/// Longest source type.
const MAX_SOURCETYPE: usize = 128;
/// Indexed fields cost the receiver an index entry for each event.
const MAX_FIELDS: usize = 32;
/// Longest name of an indexed field, and longest value.
const MAX_FIELD_NAME: usize = 64;
const MAX_FIELD_VALUE: usize = 1_024;

/// How records get to a Splunk HTTP Event Collector.
#[derive(Clone, PartialEq, Eq)]
pub struct Splunk {
    /// The collector: scheme, host, port, perhaps a path.
    pub hec_url: String,
    /// Its token, a secret.
    pub token: String,
    /// Index of the events.
    pub index: String,
    /// Source type of the events.
    pub sourcetype: String,
    /// Events in a request at most.
    pub batch_size: usize,
    /// Attempts beyond the first that a request gets.
    pub max_retries: u32,
    /// Pause before the first of them, milliseconds; each further one is twice as long.
    pub backoff_ms: u64,
    /// Whether the collector has to prove who it is.
    pub verify_tls: bool,
    /// Indexed fields that each event gets.
    pub extra_fields: Map<String, Value>,
}

impl Splunk {
    /// Name of the output in the store and in paths.
    pub const NAME: &str = "splunk";

    /// The output at `hec_url`, the rest as it usually is.
    ///
    /// # Errors
    /// What is wrong with either.
    pub fn new(hec_url: &str, token: &str) -> Result<Self, Vec<Mistake>> {
        let object = Map::from_iter([
            ("hec_url".to_owned(), Value::from(hec_url)),
            ("token".to_owned(), Value::from(token)),
        ]);
        Self::read(&object, None)
    }

    /// Reads what a client wants; `kept` is the token that is stored.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(object: &Map<String, Value>, kept: Option<&str>) -> Result<Self, Vec<Mistake>> {
        let mut members = Members::new(object);
        let hec_url = address(&mut members);
        if members.value("token").is_none() {
            members.wrong("token", "is missing; give the collector's token");
        }
        let splunk = Self {
            hec_url,
            token: members.secret("token", kept).unwrap_or_default(),
            index: members.text("index", "telemetry", index),
            sourcetype: members.text("sourcetype", "telemetry:event", label(MAX_SOURCETYPE)),
            batch_size: fit(members.number("batch_size", 1..=MAX_BATCH, 500)),
            max_retries: fit(members.number("max_retries", 0..=MAX_RETRIES, 5)),
            backoff_ms: members.number("backoff_ms", 0..=MAX_BACKOFF_MS, 200),
            verify_tls: members.flag("verify_tls", true),
            extra_fields: fields(&mut members),
        };
        members.finish(splunk)
    }

    /// Reads what [`Splunk::stored`] wrote; none when it is something else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::read(serde_json::from_str::<Value>(text).ok()?.as_object()?, None).ok()
    }

    /// The output as it is stored, the token with it.
    #[must_use]
    pub fn stored(&self) -> String {
        self.object(&self.token).to_string()
    }

    /// The output as it is shown.
    #[must_use]
    pub fn shown(&self) -> Value {
        self.object(MASK)
    }

    /// Where events are posted.
    #[must_use]
    pub fn event_url(&self) -> String {
        let path = self.hec_url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        match path {
            Some((_, path)) if !path.is_empty() => self.hec_url.clone(),
            _ => format!("{}{EVENT_PATH}", self.hec_url.trim_end_matches('/')),
        }
    }

    /// What an administrator should know of it.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if !self.verify_tls {
            warnings.push(
                "verify_tls is false: whoever sits between here and Splunk can read the token and the records",
            );
        }
        if self.hec_url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:")) {
            warnings
                .push("hec_url is not https: the token and the records go over the network in clear text");
        }
        warnings
    }

    fn object(&self, token: &str) -> Value {
        json!({
            "hec_url": self.hec_url, "token": token, "index": self.index, "sourcetype": self.sourcetype,
            "batch_size": self.batch_size, "max_retries": self.max_retries, "backoff_ms": self.backoff_ms,
            "verify_tls": self.verify_tls, "extra_fields": self.extra_fields,
        })
    }
}

impl fmt::Debug for Splunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Splunk({})", self.shown())
    }
}

/// A number that was checked to be small.
fn fit<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// The member `hec_url`, which a former release called `url`.
fn address(members: &mut Members<'_>) -> String {
    let former = members.value("url").is_some();
    match members.value("hec_url") {
        None if former => members.text("url", "", url),
        Some(_) if former => {
            members.wrong("url", "means the same as hec_url; give one of them");
            String::new()
        }
        _ => members.required_text("hec_url", url),
    }
}

fn index(name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let begins = name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if begins && name.len() <= MAX_INDEX && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_INDEX} of a-z 0-9 _ -, beginning with a letter or a digit"))
}

fn fields(members: &mut Members<'_>) -> Map<String, Value> {
    let Some(value) = members.value("extra_fields") else { return Map::new() };
    let Some(fields) = value.as_object() else {
        members.wrong("extra_fields", "must be an object of texts, numbers and flags");
        return Map::new();
    };
    if fields.len() > MAX_FIELDS {
        members.wrong("extra_fields", format!("has {} fields; at most {MAX_FIELDS} may be", fields.len()));
        return Map::new();
    }
    for (name, value) in fields {
        let is_plain = match value {
            Value::String(text) => text.len() <= MAX_FIELD_VALUE,
            other => other.is_number() || other.is_boolean(),
        };
        let shown: String = name.chars().take(MAX_FIELD_NAME).collect();
        if label(MAX_FIELD_NAME)(name).is_err() {
            let detail = format!("the name must be 1 to {MAX_FIELD_NAME} printable characters");
            members.wrong(format!("extra_fields.{shown}"), detail);
        } else if !is_plain {
            let detail = format!("must be a text of up to {MAX_FIELD_VALUE} octets, a number or a flag");
            members.wrong(format!("extra_fields.{shown}"), detail);
        }
    }
    fields.clone()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::Splunk;

    fn read(body: &Value) -> Result<Splunk, Vec<String>> {
        Splunk::read(body.as_object().unwrap(), Some("kept"))
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn what_is_not_said_is_as_the_contract_says() {
        let splunk = read(&json!({"hec_url": "https://splunk.example:8088", "token": "abc"})).unwrap();
        let expected = json!({
            "hec_url": "https://splunk.example:8088", "token": "***", "index": "telemetry",
            "sourcetype": "telemetry:event", "batch_size": 500, "max_retries": 5, "backoff_ms": 200,
            "verify_tls": true, "extra_fields": {},
        });
        assert_eq!(splunk.shown(), expected);
        assert!(!format!("{splunk:?}").contains("abc"));
        assert!(splunk.warnings().is_empty());
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_member() {
        let wrong = json!({
            "hec_url": "nope", "token": "two words", "index": "Main", "sourcetype": "", "batch_size": 0,
            "max_retries": -1, "backoff_ms": "soon", "verify_tls": "yes", "extra_fields": {"a": [1]}, "colour": 1,
        });
        let mut fields = read(&wrong).unwrap_err();
        fields.sort();
        let expected = [
            "backoff_ms",
            "batch_size",
            "colour",
            "extra_fields.a",
            "hec_url",
            "index",
            "max_retries",
            "sourcetype",
            "token",
            "verify_tls",
        ];
        assert_eq!(fields, expected);
        assert_eq!(read(&json!({})).unwrap_err(), ["hec_url", "token"]);
    }

    #[test]
    fn only_addresses_of_web_servers_are_taken() {
        let url = |url: &str| read(&json!({"hec_url": url, "token": "t"}));
        for fine in ["http://127.0.0.1:8088", "https://[2001:db8::1]/services/collector", "HTTPS://splunk"] {
            assert!(url(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "",
            "nope",
            "/x",
            "ftp://splunk",
            "https://",
            "https://user:pw@splunk",
            "https://splunk/?a=b",
            "https://splunk/#x",
            "https://splunk:99999",
            "https://splunk:0",
            "https://a b",
            "//splunk",
        ] {
            assert_eq!(url(wrong).unwrap_err(), ["hec_url"], "{wrong}");
        }
        assert!(url(&format!("https://{}", "a".repeat(3_000))).is_err());
        assert!(read(&json!({"url": "https://splunk", "token": "t"})).is_ok(), "its former name");
    }

    #[test]
    fn events_go_to_the_usual_path_unless_the_url_has_one() {
        let posted = |url: &str| read(&json!({"hec_url": url, "token": "t"})).unwrap().event_url();
        assert_eq!(posted("https://splunk:8088"), "https://splunk:8088/services/collector/event");
        assert_eq!(posted("https://splunk:8088/"), "https://splunk:8088/services/collector/event");
        assert_eq!(posted("https://splunk/services/collector"), "https://splunk/services/collector");
    }

    proptest! {
        #[test]
        fn an_address_that_is_taken_is_one_that_events_can_be_posted_to(
            text in "(https?://)?[a-z0-9.:@/?#\\[\\]%_-]{0,24}|\\PC{0,24}",
        ) {
            if let Ok(splunk) = read(&json!({"hec_url": text, "token": "t"})) {
                let uri: http::Uri = splunk.event_url().parse().unwrap();
                prop_assert!(uri.host().is_some_and(|host| !host.is_empty()) && uri.query().is_none());
                prop_assert!(uri.path().len() > 1 && uri.port().is_none_or(|port| port.as_u16() > 0));
                prop_assert_eq!(Splunk::from_stored(&splunk.stored()), Some(splunk));
            }
        }
    }

    #[test]
    fn the_mask_keeps_the_stored_token_and_nothing_else_does() {
        let token = |body: Value| read(&body).map(|splunk| splunk.token);
        assert_eq!(token(json!({"hec_url": "http://a", "token": "***"})).unwrap(), "kept");
        assert_eq!(token(json!({"hec_url": "http://a", "token": "new"})).unwrap(), "new");
        let none = Splunk::read(json!({"hec_url": "http://a", "token": "***"}).as_object().unwrap(), None);
        assert_eq!(none.unwrap_err()[0].field, "token");
    }

    #[test]
    fn what_is_stored_reads_as_the_same() {
        let fields = json!({"site": "a", "rack": 7, "test": false});
        let body = json!({"hec_url": "http://a", "token": "t", "verify_tls": false, "extra_fields": fields});
        let splunk = read(&body).unwrap();
        assert_eq!(Splunk::from_stored(&splunk.stored()), Some(splunk.clone()));
        assert_eq!(splunk.warnings().len(), 2);
        assert_eq!(Splunk::from_stored("{"), None);
    }
}
