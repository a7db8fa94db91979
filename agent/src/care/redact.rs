//! Takes secrets out of text that leaves the device.
//!
//! Known secrets go wherever they stand: as they are, and in the encodings in which programs write them to logs (base64, hex,
//! percent, JSON). What looks like a secret goes by its place: user names and passwords in URLs, and authorization headers.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde_json::Value;

/// What stands in a secret's place.
pub const REMOVED: &str = "[removed]";
/// A key whose name holds one of these has a secret for its value.
const WORDS: [&str; 5] = ["key", "token", "password", "secret", "credential"];
/// A shorter secret is taken out as a word only: as a part of words it would stand everywhere by chance.
const LONG: usize = 8;
/// Headers whose value is a secret.
const HEADERS: [&str; 4] = ["authorization:", "x-api-key:", "bearer ", "x-admin-token:"];

/// True when a key or variable called `name` holds a secret.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Knows secrets, and takes them out.
#[derive(Debug, Default)]
pub struct Redactor {
    /// Every form of every long secret.
    forms: BTreeSet<String>,
    /// Short secrets.
    words: BTreeSet<String>,
}

impl Redactor {
    /// Learns a secret; of a text with several (lines, lists with commas) each, and the text as a whole.
    pub fn learn(&mut self, secret: &str) {
        let parts = secret.split(['\n', '\r', ',']).map(str::trim);
        for secret in parts.chain([secret.trim()]).filter(|secret| !secret.is_empty()) {
            if secret.len() < LONG {
                self.words.insert(secret.to_owned());
            } else {
                self.forms.extend(forms(secret));
            }
        }
    }

    /// True when a secret is so short that ordinary words may equal it.
    #[must_use]
    pub fn is_coarse(&self) -> bool {
        !self.words.is_empty()
    }

    /// `text` without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        // The longest first: one secret may begin with another.
        let mut forms: Vec<_> = self.forms.iter().collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        for form in forms {
            if text.contains(form.as_str()) {
                text = text.replace(form.as_str(), REMOVED);
            }
        }
        for word in &self.words {
            text = replace_word(&text, word);
        }
        without_headers(&without_users(&text))
    }

    /// Takes the values of secret keys out of `value`, and learns them.
    pub fn values(&mut self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if is_secret(name) {
                        self.learn_all(member);
                        *member = REMOVED.into();
                    } else {
                        self.values(member);
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.values(item)),
            _ => {}
        }
    }

    fn learn_all(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.learn(text),
            Value::Number(number) => self.learn(&number.to_string()),
            Value::Array(items) => items.iter().for_each(|item| self.learn_all(item)),
            Value::Object(members) => members.values().for_each(|member| self.learn_all(member)),
            Value::Bool(_) | Value::Null => {}
        }
    }
}

/// How `secret` may be written.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex = |upper: bool| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = if upper { write!(text, "{byte:02X}") } else { write!(text, "{byte:02x}") };
            text
        })
    };
    let json = Value::from(secret).to_string();
    let mut forms = vec![secret.to_owned(), hex(false), hex(true), json.trim_matches('"').to_owned()];
    forms.extend([percent(bytes, false), percent(bytes, true)]);
    forms.extend((0..3).flat_map(|offset| base64_within(bytes, offset)));
    forms
}

/// Percent-encoded (RFC 3986 §2.1): all but unreserved octets, or every octet.
fn percent(bytes: &[u8], every: bool) -> String {
    bytes.iter().fold(String::new(), |mut text, &byte| {
        if !every && (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

/// The characters that `bytes` has for sure in the base64 of a longer text, of which `offset` + 3n octets come before.
fn base64_within(bytes: &[u8], offset: usize) -> Vec<String> {
    let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(bytes.iter().copied()).collect();
    let (first, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    let cut = |text: String| text.get(first..end).map(str::to_owned);
    [STANDARD.encode(&padded), URL_SAFE.encode(&padded)].into_iter().filter_map(cut).collect()
}

/// Replaces `word` where no letter or digit stands beside it.
fn replace_word(text: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let joins = before.chars().next_back().or(out.chars().next_back()).is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        out += before;
        out += if joins { word } else { REMOVED };
        rest = after;
    }
    out + rest
}

/// Replaces `user:password@` after `://`.
fn without_users(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out += before;
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(after.len());
        rest = after;
        if let Some(at) = after[..end].rfind('@') {
            out += REMOVED;
            rest = &after[at..];
        }
    }
    out + rest
}

/// Replaces what follows the names of [`HEADERS`], up to the end of the line or a quote.
fn without_headers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // Lower case in ASCII only: every character keeps its place.
    let lower = text.to_ascii_lowercase();
    loop {
        let from = text.len() - rest.len();
        let next = HEADERS.iter().filter_map(|name| Some((lower[from..].find(name)?, name.len()))).min();
        let Some((at, length)) = next else { return out + rest };
        let (before, after) = rest.split_at(at + length);
        out += before;
        let end = after.find(['\n', '\r', '"', '\'']).unwrap_or(after.len());
        if !after[..end].trim().is_empty() {
            out += " ";
            out += REMOVED;
        }
        rest = &after[end..];
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use serde_json::json;

    use super::{REMOVED, Redactor, is_secret};

    const SECRET: &str = "ta_1a2b3c4d_Zm9v+/\"x~?";

    fn redactor() -> Redactor {
        let mut redactor = Redactor::default();
        redactor.learn(SECRET);
        redactor
    }

    #[test]
    fn a_known_secret_goes_in_every_encoding() {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        let percent: String = SECRET.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for form in [SECRET.to_owned(), hex.to_uppercase(), hex, percent, json!(SECRET).to_string()] {
            let clean = redactor().text(&format!("before {form} after"));
            assert!(!clean.contains(form.trim_matches('"')), "{clean}");
            assert!(
                clean.starts_with("before ") && clean.ends_with(" after") && clean.contains(REMOVED),
                "{clean}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_secret_within_base64_of_a_longer_text_cannot_be_read_back(
            before in "[a-z:]{0,9}", after in "[a-z:]{0,9}",
        ) {
            let whole = format!("{before}{SECRET}{after}");
            for encoded in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                let clean = redactor().text(&encoded);
                prop_assert!(clean.contains(REMOVED), "{}", clean);
                prop_assert!(clean.len() < encoded.len());
            }
        }

        #[test]
        fn text_without_secrets_stays_as_it_is(text in "[ -~äß中\u{202e}\n]{0,200}") {
            prop_assume!(!text.contains('@') && !text.to_lowercase().contains("bearer"));
            prop_assume!(!text.to_lowercase().contains("authorization"));
            prop_assert_eq!(redactor().text(&text), text);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in ".{0,80}(://|Bearer |authorization:|x-api-key:|@|/|short).{0,80}") {
            let mut redactor = redactor();
            redactor.learn("short");
            prop_assert!(!redactor.text(&text).contains(SECRET));
        }
    }

    #[test]
    fn a_short_secret_goes_as_a_word_only() {
        let mut redactor = Redactor::default();
        redactor.learn("abc, hunter2");
        assert_eq!(redactor.text("abc abcd (abc) hunter2."), "[removed] abcd ([removed]) [removed].");
    }

    #[test]
    fn users_in_urls_and_authorization_headers_go_without_being_known() {
        let text = redactor().text("https://user:pass@siem.example/x?a=1 http://plain.example/ ntp://a@b");
        assert_eq!(text, "https://[removed]@siem.example/x?a=1 http://plain.example/ ntp://[removed]@b");
        let text = redactor()
            .text("GET /\nAuthorization: Basic dTpw\nHost: x\n{\"h\":\"Bearer abc.def\"} X-API-Key: k");
        assert!(!text.contains("dTpw") && !text.contains("abc.def") && !text.ends_with(": k"), "{text}");
        assert!(text.contains("Host: x"), "{text}");
    }

    #[test]
    fn values_of_secret_keys_go_and_are_known_from_then_on() {
        let mut redactor = Redactor::default();
        let mut config =
            json!({"uplink": {"api_token": "s3cr3t-value", "url": "x"}, "list": [{"Password": 123_456_789}]});
        redactor.values(&mut config);
        assert_eq!(
            config,
            json!({"uplink": {"api_token": REMOVED, "url": "x"}, "list": [{"Password": REMOVED}]})
        );
        assert_eq!(redactor.text("sent s3cr3t-value and 123456789"), "sent [removed] and [removed]");
        assert!(is_secret("API_KEY") && is_secret("tls_credentials") && !is_secret("listen"));
    }
}
