//! What the guard makes of a client's octets, for the fuzz target `http_head`; built with the feature `fuzz` only.

use std::net::{IpAddr, Ipv4Addr};

use super::{head, relay};
use crate::trace::Ids;

/// The head that the engine would get for the request that `octets` begin with, received `step` octets at a time.
///
/// `None` while the head is not whole, and when it is refused.
#[must_use]
pub fn relayed_head(octets: &[u8], step: usize) -> Option<String> {
    let mut seen = 0;
    loop {
        let received = &octets[..octets.len().min(seen + step)];
        if let Some(length) = head::end_of_head(received, seen).ok()? {
            let head = head::parse(&received[..length]).ok()?;
            let ids = Ids::of(&head.headers);
            let body = (head.length > 0).then_some(0);
            return Some(relay::request_head(&head, body, IpAddr::V4(Ipv4Addr::LOCALHOST), &ids));
        }
        if received.len() == octets.len() {
            return None;
        }
        seen = received.len();
    }
}
