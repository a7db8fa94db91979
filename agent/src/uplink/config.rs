//! Sections `[splunk]` and `[elastic]`: outputs for as long as none is set over the API.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_web::{Elastic, Mistake, Preset, Splunk};

/// What stands in files of examples where a secret belongs.
const FILLERS: [&str; 7] = ["your", "change", "replace", "placehold", "xxx", "dummy", "<"];

/// Section `[splunk]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplunkConfig {
    /// URL of the HTTP Event Collector.
    pub hec_url: Option<Url>,
    /// Its token.
    pub token: Option<Secret>,
}

/// Section `[elastic]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ElasticConfig {
    /// URLs of the nodes.
    pub urls: Vec<Url>,
    /// Who writes.
    pub username: Option<String>,
    /// With which password.
    pub password: Option<Secret>,
}

/// A URL of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Url(String);

impl TryFrom<String> for Url {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        match Splunk::new(&url, "token") {
            Ok(_) if is_filler(&url) => Err("is the text of an example; give the real URL".to_owned()),
            Ok(_) => Ok(Self(url)),
            Err(mistakes) => Err(told(&mistakes)),
        }
    }
}

/// A secret that a header can carry; never shown.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String")]
pub struct Secret(String);

impl TryFrom<String> for Secret {
    type Error = String;

    fn try_from(secret: String) -> Result<Self, String> {
        match Splunk::new("http://localhost", &secret) {
            Ok(_) if is_filler(&secret) => Err("is the text of an example; give the real secret".to_owned()),
            Ok(_) => Ok(Self(secret)),
            Err(mistakes) => Err(told(&mistakes)),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn told(mistakes: &[Mistake]) -> String {
    mistakes.first().map_or_else(String::new, |mistake| mistake.detail.clone())
}

/// A word of an example, or one character again and again, as in a token of zeros.
fn is_filler(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let mut letters = text.chars().filter(|c| c.is_alphanumeric());
    let first = letters.next();
    let is_monotonous = text.len() > 1 && letters.all(|c| Some(c) == first);
    is_monotonous || FILLERS.iter().any(|filler| text.contains(filler))
}

/// The outputs that both sections name. A URL without its token, or the other way about, names none.
#[must_use]
pub fn preset(splunk: &SplunkConfig, elastic: &ElasticConfig) -> Preset {
    let named = splunk.hec_url.as_ref().zip(splunk.token.as_ref());
    let splunk = named.and_then(|(url, token)| Splunk::new(&url.0, &token.0).ok());
    let urls: Vec<_> = elastic.urls.iter().map(|url| url.0.as_str()).collect();
    let password = elastic.password.as_ref().map(|password| password.0.as_str());
    let object = json!({ "urls": urls, "username": elastic.username, "password": password });
    let elastic = object.as_object().filter(|_| !urls.is_empty());
    Preset { splunk, elastic: elastic.and_then(|object| Elastic::read(object, None).ok()) }
}

#[cfg(test)]
mod tests {
    use super::{ElasticConfig, SplunkConfig, preset};

    fn splunk(text: &str) -> Result<SplunkConfig, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn both_sections_name_outputs_whose_secrets_stay_hidden() {
        let config = splunk("hec_url = \"https://splunk:8088\"\ntoken = \"5fb54bb1-9ac2\"").unwrap();
        assert!(!format!("{config:?}").contains("5fb54bb1"));
        let elastic: ElasticConfig =
            toml::from_str("urls = [\"http://es:9200\"]\nusername = \"weir\"\npassword = \"s3cret\"")
                .unwrap();
        let preset = preset(&config, &elastic);
        let token = preset.splunk.map(|splunk| splunk.token);
        assert_eq!(token.as_deref(), Some("5fb54bb1-9ac2"));
        assert_eq!(preset.elastic.unwrap().password.as_deref(), Some("s3cret"));
    }

    #[test]
    fn half_an_output_is_none() {
        for text in ["", "hec_url = \"https://splunk\"", "token = \"5fb54bb1\""] {
            let preset = preset(&splunk(text).unwrap(), &ElasticConfig::default());
            assert!(preset.splunk.is_none() && preset.elastic.is_none(), "{text}");
        }
    }

    #[test]
    fn what_stands_in_examples_is_refused() {
        for token in
            ["YOUR_HEC_TOKEN", "changeme", "<token>", "00000000-0000-0000-0000-000000000000", "xxxx-xxxx"]
        {
            assert!(splunk(&format!("token = {token:?}")).unwrap_err().contains("example"), "{token}");
        }
        assert!(splunk("hec_url = \"https://your-splunk:8088\"").unwrap_err().contains("example"));
        assert!(splunk("hec_url = \"nope\"").unwrap_err().contains("URL such as"));
        assert!(splunk("token = \"two words\"").unwrap_err().contains("visible ASCII"));
        assert!(splunk("token = \"t\"").is_ok());
    }
}
