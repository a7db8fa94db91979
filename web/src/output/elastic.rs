//! The output `elastic`: the nodes of an Elasticsearch cluster.

use std::fmt;

use serde_json::{Map, Value, json};

use super::check::{Members, Mistake, label, url};
use super::{MASK, MAX_BACKOFF_MS, MAX_BATCH, MAX_RETRIES};

/// Nodes of a cluster that are named at most.
const MAX_URLS: usize = 16;
/// Longest prefix of an index: the name as a whole may have 255 octets, and a date follows.
const MAX_PREFIX: usize = 200;
/// Longest name of a pipeline or a user.
const MAX_NAME: usize = 128;

/// How records get to Elasticsearch.
#[derive(Clone, PartialEq, Eq)]
pub struct Elastic {
    /// The nodes.
    pub urls: Vec<String>,
    /// What the names of indices begin with.
    pub index_prefix: String,
    /// Documents in a request at most.
    pub bulk_size: u64,
    /// Attempts beyond the first that a request gets.
    pub max_retries: u64,
    /// Pause before the first of them, milliseconds.
    pub backoff_ms: u64,
    /// Ingest pipeline that documents go through.
    pub pipeline: Option<String>,
    /// Whether the cluster has to prove who it is.
    pub verify_tls: bool,
    /// Who writes.
    pub username: Option<String>,
    /// With which password, a secret.
    pub password: Option<String>,
}

impl Elastic {
    /// Name of the output in the store and in paths.
    pub const NAME: &str = "elastic";

    /// Reads what a client wants; `kept` is the password that is stored.
    ///
    /// # Errors
    /// Every mistake.
    pub fn read(object: &Map<String, Value>, kept: Option<&str>) -> Result<Self, Vec<Mistake>> {
        let mut members = Members::new(object);
        let elastic = Self {
            urls: urls(&mut members),
            index_prefix: members.text("index_prefix", "telemetry-", prefix),
            bulk_size: members.number("bulk_size", 1..=MAX_BATCH, 1_000),
            max_retries: members.number("max_retries", 0..=MAX_RETRIES, 5),
            backoff_ms: members.number("backoff_ms", 0..=MAX_BACKOFF_MS, 200),
            pipeline: members.optional_text("pipeline", label(MAX_NAME)),
            verify_tls: members.flag("verify_tls", true),
            username: members.optional_text("username", label(MAX_NAME)),
            password: members.secret("password", kept),
        };
        if elastic.password.is_some() && members.value("username").is_none() {
            members.wrong("username", "is missing; a password is somebody's");
        }
        members.finish(elastic)
    }

    /// Reads what [`Elastic::stored`] wrote; none when it is something else.
    #[must_use]
    pub fn from_stored(text: &str) -> Option<Self> {
        Self::read(serde_json::from_str::<Value>(text).ok()?.as_object()?, None).ok()
    }

    /// The output as it is stored, the password with it.
    #[must_use]
    pub fn stored(&self) -> String {
        self.object(self.password.as_deref()).to_string()
    }

    /// The output as it is shown.
    #[must_use]
    pub fn shown(&self) -> Value {
        self.object(self.password.is_some().then_some(MASK))
    }

    fn object(&self, password: Option<&str>) -> Value {
        json!({
            "urls": self.urls, "index_prefix": self.index_prefix, "bulk_size": self.bulk_size,
            "max_retries": self.max_retries, "backoff_ms": self.backoff_ms, "pipeline": self.pipeline,
            "verify_tls": self.verify_tls, "username": self.username, "password": password,
        })
    }
}

impl fmt::Debug for Elastic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Elastic({})", self.shown())
    }
}

fn urls(members: &mut Members<'_>) -> Vec<String> {
    let Some(urls) = members.value("urls").and_then(Value::as_array) else {
        members.wrong("urls", "is missing; give a list with the URL of at least one node");
        return Vec::new();
    };
    if !(1..=MAX_URLS).contains(&urls.len()) {
        members.wrong("urls", format!("must have 1 to {MAX_URLS} URLs, not {}", urls.len()));
        return Vec::new();
    }
    let mut nodes = Vec::with_capacity(urls.len());
    for (at, node) in urls.iter().enumerate() {
        let node = node.as_str().unwrap_or_default();
        match url(node) {
            Ok(()) => nodes.push(node.to_owned()),
            Err(detail) => members.wrong(format!("urls.{at}"), detail),
        }
    }
    nodes
}

/// What Elasticsearch takes as the beginning of an index (its reference, "Create index").
fn prefix(text: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    let begins = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if begins && text.len() <= MAX_PREFIX && text.bytes().all(fits) {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_PREFIX} of a-z 0-9 _ - ., beginning with a letter or a digit"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Elastic;

    fn read(body: &Value) -> Result<Elastic, Vec<String>> {
        Elastic::read(body.as_object().unwrap(), Some("kept"))
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.field).collect())
    }

    #[test]
    fn what_is_not_said_is_as_the_contract_says() {
        let elastic = read(&json!({"urls": ["https://es:9200"]})).unwrap();
        let expected = json!({
            "urls": ["https://es:9200"], "index_prefix": "telemetry-", "bulk_size": 1000, "max_retries": 5,
            "backoff_ms": 200, "pipeline": null, "verify_tls": true, "username": null, "password": null,
        });
        assert_eq!(elastic.shown(), expected);
    }

    #[test]
    fn a_password_is_masked_kept_and_stored() {
        let body = |password: &str| json!({"urls": ["http://a"], "username": "weir", "password": password});
        let elastic = read(&body("new")).unwrap();
        assert_eq!(elastic.shown()["password"], "***");
        assert!(!format!("{elastic:?}").contains("new"));
        assert_eq!(Elastic::from_stored(&elastic.stored()), Some(elastic));
        assert_eq!(read(&body("***")).unwrap().password.as_deref(), Some("kept"));
    }

    #[test]
    fn every_mistake_is_told_at_once_with_its_member() {
        let wrong = json!({
            "urls": ["http://a", "nope", 7], "index_prefix": "_x", "bulk_size": 0, "password": "p", "pipeline": "",
        });
        let mut fields = read(&wrong).unwrap_err();
        fields.sort();
        assert_eq!(fields, ["bulk_size", "index_prefix", "pipeline", "urls.1", "urls.2", "username"]);
        for urls in [json!(null), json!([]), json!("http://a"), json!(vec!["http://a"; 17])] {
            assert_eq!(read(&json!({"urls": urls})).unwrap_err(), ["urls"]);
        }
    }
}
