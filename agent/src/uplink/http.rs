//! One POST after the other to one URL, each within its time; a receiver's answer is read no further than needed.
//!
//! Nothing is followed: a redirect would carry the token to whoever it names.

use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Octets of an answer's body that are read: receivers answer with a line.
const MAX_BODY_BYTES: u64 = 64 << 10;
/// Octets of an answer's head.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// A receiver that takes longer to let us in is down.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Speaks to one receiver.
pub(super) struct Client {
    agent: Agent,
    url: String,
    authorization: String,
}

/// What a receiver answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Whole seconds after which it wants to be asked again.
    pub(super) retry_after: Option<u64>,
    /// Empty when it broke off, or was longer than any receiver's.
    pub(super) body: Vec<u8>,
}

impl Client {
    /// A client for `url`, which has to prove who it is unless `verify_tls` is false.
    pub(super) fn new(url: String, authorization: String, verify_tls: bool) -> Self {
        let tls = TlsConfig::builder().root_certs(authorities()).disable_verification(!verify_tls).build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_response_header_size(MAX_HEAD_BYTES)
            .timeout_connect(Some(CONNECT_LIMIT))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: agent.into(), url, authorization }
    }

    /// Posts `body`, JSON that gzip has packed, and reads the answer; all of it within `limit`.
    ///
    /// # Errors
    /// Why there was no answer.
    pub(super) fn post(&self, body: &[u8], limit: Duration) -> Result<Answer, String> {
        let sent = self
            .agent
            .post(&self.url)
            .config()
            .timeout_global(Some(limit))
            .build()
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_ENCODING, "gzip")
            .send(body);
        let mut response = sent.map_err(|error| error.to_string())?;
        let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.body_mut().with_config().limit(MAX_BODY_BYTES).read_to_vec();
        Ok(Answer {
            status: response.status().as_u16(),
            retry_after: seconds,
            body: body.unwrap_or_default(),
        })
    }
}

/// The authorities that this system trusts, which is where an office's own is put; Mozilla's on a system without any.
fn authorities() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let owned = found.iter().map(|certificate| Certificate::from_der(certificate.as_ref()).to_owned());
    RootCerts::Specific(Arc::new(owned.collect()))
}
