//! Reads the members of a JSON object and notes every mistake, each with the name of its member.

use std::ops::RangeInclusive;

use http::Uri;
use http::uri::{Authority, Scheme};
use serde::Serialize;
use serde_json::{Map, Value};

/// Longest URL; longer ones are no addresses.
const MAX_URL: usize = 2_048;
/// Longest secret that a header carries.
const MAX_SECRET: usize = 512;

/// What is wrong with a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// The member.
    pub field: String,
    /// What is wrong and what would be right.
    pub detail: String,
}

/// An object on its way to a value.
pub(super) struct Members<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    mistakes: Vec<Mistake>,
}

impl<'a> Members<'a> {
    pub(super) const fn new(object: &'a Map<String, Value>) -> Self {
        Self { object, known: Vec::new(), mistakes: Vec::new() }
    }

    /// The member `name`; null is as good as none.
    pub(super) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn wrong(&mut self, field: impl Into<String>, detail: impl Into<String>) {
        self.mistakes.push(Mistake { field: field.into(), detail: detail.into() });
    }

    /// The text of `name` if it is one that `check` likes.
    pub(super) fn optional_text(
        &mut self,
        name: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let value = self.value(name)?;
        let checked = match value.as_str() {
            Some(text) => check(text).map(|()| text.to_owned()),
            None => Err("must be a text".to_owned()),
        };
        checked.map_err(|detail| self.wrong(name, detail)).ok()
    }

    /// The same, or `default`.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        default: &str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> String {
        self.optional_text(name, check).unwrap_or_else(|| default.to_owned())
    }

    /// The same; a member that is missing is a mistake.
    pub(super) fn required_text(
        &mut self,
        name: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> String {
        if self.value(name).is_none() {
            self.wrong(name, "is missing");
            return String::new();
        }
        self.text(name, "", check)
    }

    /// The whole number of `name` if it lies in `range`, or `default`.
    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let Some(value) = self.value(name) else { return default };
        value.as_u64().filter(|number| range.contains(number)).unwrap_or_else(|| {
            self.wrong(name, format!("must be a whole number from {} to {}", range.start(), range.end()));
            default
        })
    }

    /// The flag `name`, or `default`.
    pub(super) fn flag(&mut self, name: &'static str, default: bool) -> bool {
        let Some(value) = self.value(name) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.wrong(name, "must be true or false");
            default
        })
    }

    /// A secret: the text of `name`, or the one that is `kept` when the member is the mask.
    pub(super) fn secret(&mut self, name: &'static str, kept: Option<&str>) -> Option<String> {
        let text = self.optional_text(name, secret)?;
        if text != super::MASK {
            return Some(text);
        }
        if kept.is_none() {
            self.wrong(
                name,
                "is the mask that stands for a stored secret, and none is stored; give the secret",
            );
        }
        kept.map(str::to_owned)
    }

    /// All mistakes; a member that nobody asked for is one too.
    pub(super) fn finish<T>(mut self, value: T) -> Result<T, Vec<Mistake>> {
        for name in self.object.keys().filter(|name| !self.known.contains(&name.as_str())) {
            let detail = format!("is not known; known are {}", self.known.join(", "));
            // What a client made up is shown no longer than a name is.
            self.mistakes.push(Mistake { field: name.chars().take(64).collect(), detail });
        }
        if self.mistakes.is_empty() { Ok(value) } else { Err(self.mistakes) }
    }
}

/// An absolute URL of a web server, without user and query.
pub(super) fn url(text: &str) -> Result<(), String> {
    const WANTED: &str = "must be a URL such as https://splunk.branch.example:8088";
    let uri: Uri = text.parse().ok().filter(|_| text.len() <= MAX_URL).ok_or_else(|| WANTED.to_owned())?;
    let web = uri.scheme().is_some_and(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("must not hold a user or password; they have members of their own".to_owned())
        }
        Some(authority) if web && !authority.host().is_empty() => match uri.query() {
            None if !has_sound_port(authority) => Err("must have a port from 1 to 65535, or none".to_owned()),
            None if !text.contains('#') => Ok(()),
            _ => Err("must end with the path, without ? or #".to_owned()),
        },
        _ => Err(WANTED.to_owned()),
    }
}

/// The `http` crate takes any digits for a port.
fn has_sound_port(authority: &Authority) -> bool {
    let is_named = authority.as_str().len() > authority.host().len();
    !is_named || authority.port_u16().is_some_and(|port| port > 0)
}

/// A text that a header can carry.
pub(super) fn secret(text: &str) -> Result<(), String> {
    if (1..=MAX_SECRET).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(format!("must be 1 to {MAX_SECRET} visible ASCII characters without blanks"))
}

/// 1 to `longest` printable characters.
pub(super) fn label(longest: usize) -> impl Fn(&str) -> Result<(), String> {
    move |text| {
        let fits = (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        if fits { Ok(()) } else { Err(format!("must be 1 to {longest} printable characters")) }
    }
}
