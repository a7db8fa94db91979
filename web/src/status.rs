//! What the web crate asks of the agent: a trait that the agent implements, and the answers' types.
//!
//! Data comes from the agent's counters, which live above this crate, and goes to `api/*` as JSON. The shapes
//! are those of the service that Weir replaces, with true values, and Weir's own parts beside them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};
use weir_flow::{Asn, Geo, Place, Risk, Tags, Verdict};

use crate::{Metrics, Sources};

/// What the agent tells of itself. Every method answers from memory within a millisecond: `health` above all
/// must not wait on the pipeline.
pub trait Status: Send + Sync {
    /// Whether the agent works, and which part does not.
    fn health(&self) -> Health;
    /// What the binary is.
    fn version(&self) -> Version;
    /// Counters, rates and series of now.
    fn metrics(&self) -> Metrics;
    /// Who sends flow records; thousands of exporters take some milliseconds.
    fn sources(&self) -> Sources;
    /// What is known of an address or a name.
    fn lookup(&self, target: &LookupTarget) -> LookupAnswer;
}

/// How well a part, or the whole, works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It does its work.
    #[default]
    Ok,
    /// It works with a part missing or slow.
    Degraded,
    /// It was not asked for.
    Off,
    /// It does not work.
    Failed,
}

/// Answer of `GET /v1/health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// `ok` as long as the agent answers, can store, and uses the configuration that it was given; parts say more.
    pub status: Condition,
    /// Name of the service, the one that callers of the former service check for.
    pub service: Cow<'static, str>,
    /// Version of the API, `v1`.
    pub version: Cow<'static, str>,
    /// Seconds since the agent started.
    pub uptime_seconds: u64,
    /// Parts, in the order of the data path.
    pub parts: Vec<Part>,
}

/// One part of [`Health`].
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// For example `capture`, `store`.
    pub name: Cow<'static, str>,
    /// How well it works.
    pub status: Condition,
    /// What is wrong, in a word for programs, for example `no_permission`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// What is wrong and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Cow<'static, str>>,
}

impl Part {
    /// A part that works, or `otherwise` with the word for what is wrong when there is `trouble`.
    #[must_use]
    pub fn new(name: &'static str, otherwise: Condition, code: &'static str, trouble: String) -> Self {
        if trouble.is_empty() {
            return Self { name: name.into(), status: Condition::Ok, code: None, detail: None };
        }
        Self { name: name.into(), status: otherwise, code: Some(code), detail: Some(trouble.into()) }
    }
}

impl Health {
    /// How well the worst part works; a part that was not asked for counts as one that works.
    #[must_use]
    pub fn worst(&self) -> Condition {
        let any = |condition| self.parts.iter().any(|part| part.status == condition);
        [Condition::Failed, Condition::Degraded].into_iter().find(|&one| any(one)).unwrap_or_default()
    }

    /// The first part that does not work as it should, those that fail before those that are degraded.
    #[must_use]
    pub fn trouble(&self) -> Option<&Part> {
        let worst = self.worst();
        self.parts.iter().find(|part| worst != Condition::Ok && part.status == worst)
    }
}

/// Answer of `GET /v1/version`; `image*` are null on a device, which runs no container.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Version {
    /// `ok`.
    pub status: Condition,
    /// Name of the service, as in [`Health`].
    pub service: Cow<'static, str>,
    /// Version of the API, `v1`.
    pub api_version: Cow<'static, str>,
    /// Version of the agent.
    pub version: Cow<'static, str>,
    /// Commit that it was built from, where the build knew it.
    pub git_sha: Option<Cow<'static, str>>,
    /// Container image.
    pub image: Option<Cow<'static, str>>,
    /// Its tag.
    pub image_tag: Option<Cow<'static, str>>,
    /// Its version.
    pub image_version: Option<Cow<'static, str>>,
    /// Its digest.
    pub image_digest: Option<Cow<'static, str>>,
}

/// What `POST /v1/lookup` asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookupTarget {
    /// An address.
    Ip(IpAddr),
    /// A DNS name: lower case, without a trailing dot, at most 253 octets.
    Domain(String),
}

impl LookupTarget {
    /// Longest name, RFC 1035 §2.3.4, without the trailing dot.
    const MAX_NAME: usize = 253;
    const MAX_LABEL: usize = 63;

    /// A domain name, without regard to case and a trailing dot; `None` when `text` is none.
    #[must_use]
    pub fn domain(text: &str) -> Option<Self> {
        let name = text.trim();
        let name = name.strip_suffix('.').unwrap_or(name);
        let fits = |label: &str| {
            (1..=Self::MAX_LABEL).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let fits_all = name.len() <= Self::MAX_NAME && name.split('.').all(fits);
        fits_all.then(|| Self::Domain(name.to_ascii_lowercase()))
    }
}

/// The body of an answer to `POST /v1/lookup`.
#[must_use]
pub fn lookup_json(target: &LookupTarget, answer: &LookupAnswer) -> String {
    serde_json::to_string(&Looked(target, answer)).unwrap_or_default()
}

/// Answer of `POST /v1/lookup`, before the target is named.
#[derive(Clone, Debug, Default)]
pub struct LookupAnswer {
    /// Where an address is; none for names.
    pub place: Option<Arc<Place>>,
    /// Indicators that match.
    pub verdict: Verdict,
    /// Risk of a flow towards the target.
    pub risk: Risk,
    /// Marks of such a flow.
    pub tags: Tags,
}

/// A target with its answer, as JSON: what is unknown is null.
pub(crate) struct Looked<'a>(pub(crate) &'a LookupTarget, pub(crate) &'a LookupAnswer);

impl Serialize for Looked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(target, answer) = self;
        let mut map = serializer.serialize_map(Some(7))?;
        match target {
            LookupTarget::Ip(ip) => map.serialize_entry("ip", ip)?,
            LookupTarget::Domain(name) => map.serialize_entry("domain", name)?,
        }
        let place = answer.place.as_deref();
        map.serialize_entry("geo", &place.and_then(|place| place.geo.as_ref()).map(GeoOrNull))?;
        map.serialize_entry("asn", &place.and_then(|place| place.asn.as_ref()).map(AsnOrNull))?;
        map.serialize_entry("ti", &answer.verdict)?;
        map.serialize_entry("risk_score", &answer.risk.score())?;
        map.serialize_entry("risk_reasons", &answer.risk.reasons_json())?;
        map.serialize_entry("tags", &answer.tags.names().collect::<Vec<_>>())?;
        map.end()
    }
}

struct GeoOrNull<'a>(&'a Geo);

impl Serialize for GeoOrNull<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut geo = serializer.serialize_struct("Geo", 5)?;
        geo.serialize_field("country", &self.0.country)?;
        geo.serialize_field("country_name", &self.0.country_name)?;
        geo.serialize_field("city", &self.0.city)?;
        geo.serialize_field("lat", &self.0.lat)?;
        geo.serialize_field("lon", &self.0.lon)?;
        geo.end()
    }
}

struct AsnOrNull<'a>(&'a Asn);

impl Serialize for AsnOrNull<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut asn = serializer.serialize_struct("Asn", 2)?;
        asn.serialize_field("asn", &self.0.asn)?;
        asn.serialize_field("org", &self.0.org)?;
        asn.end()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_flow::{Geo, Place};

    use super::{Looked, LookupAnswer, LookupTarget};

    #[test]
    fn what_a_lookup_does_not_know_is_null() {
        let target = LookupTarget::Ip([192, 0, 2, 1].into());
        let json = serde_json::to_value(Looked(&target, &LookupAnswer::default())).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"ip": "192.0.2.1", "geo": null, "asn": null, "risk_score": 0, "risk_reasons": [],
                "ti": {"matched": false, "matches": []}, "tags": []})
        );
        let geo = Geo { country: Some("DE".into()), ..Geo::default() };
        let place = Some(Arc::new(Place { geo: Some(geo), asn: None }));
        let json = serde_json::to_value(Looked(&target, &LookupAnswer { place, ..LookupAnswer::default() }))
            .unwrap();
        assert_eq!(json["geo"]["country"], "DE");
        assert!(json["geo"].as_object().unwrap()["lat"].is_null());
    }
}
