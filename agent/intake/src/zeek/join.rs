//! What one log says of a connection, told to another: `conn.log` has no names, the logs of its protocols do.

use std::collections::{HashMap, VecDeque};

use weir_flow::{FlowRecord, Kind, Text};

/// Longest uid that is kept: Zeek's own have 17 or 18 characters. Stops forged ones from taking memory.
const MAX_UID: usize = 64;

/// Longest name that is kept: no name of the DNS has more (RFC 1035 §3.1).
const MAX_DOMAIN: usize = 255;

/// Service and name of connections by their uid. The oldest give way to new ones.
#[derive(Debug)]
pub struct Join {
    known: HashMap<Text, Known>,
    /// Uids in the order in which they came.
    order: VecDeque<Text>,
    limit: usize,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Known {
    service: Option<Text>,
    domain: Option<Text>,
}

impl Join {
    /// Uids for an agent that follows logs: a connection's own line comes minutes after those of its protocol. Each takes
    /// about 200 octets.
    pub const USUAL: usize = 65_536;

    /// Keeps `limit` uids at most.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), limit, dropped: 0 }
    }

    /// Takes up what a record of `dns.log`, `ssl.log`, `http.log` or `quic.log` says of its connection; others are passed
    /// over. Of several names the first stands.
    pub fn learn(&mut self, record: &FlowRecord) {
        let Some(uid) = uid(record).filter(|_| names_services(&record.kind)) else { return };
        let domain = record.domain.as_ref().filter(|domain| domain.len() <= MAX_DOMAIN);
        if let Some(known) = self.known.get_mut(uid) {
            known.service = known.service.take().or_else(|| record.service.clone());
            known.domain = known.domain.take().or_else(|| domain.cloned());
        } else if self.limit > 0 && uid.len() <= MAX_UID {
            self.make_room();
            let uid: Text = uid.into();
            self.order.push_back(uid.clone());
            self.known.insert(uid, Known { service: record.service.clone(), domain: domain.cloned() });
        }
    }

    /// Gives a record of `conn.log` the service and the name of its connection, where it has none itself.
    pub fn tell(&self, record: &mut FlowRecord) {
        let needs = record.service.is_none() || record.domain.is_none();
        if !needs || record.kind != Kind::Flow || self.known.is_empty() {
            return;
        }
        let Some(known) = uid(record).and_then(|uid| self.known.get(uid)) else { return };
        if record.service.is_none() {
            record.service.clone_from(&known.service);
        }
        if record.domain.is_none() {
            record.domain.clone_from(&known.domain);
        }
    }

    /// Uids that gave way to newer ones: a connection of theirs that comes later stays without a name.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Uids that are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn make_room(&mut self) {
        while self.known.len() >= self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
            self.dropped += 1;
        }
    }
}

impl Default for Join {
    fn default() -> Self {
        Self::new(Self::USUAL)
    }
}

fn uid(record: &FlowRecord) -> Option<&str> {
    record.extra.as_ref()?.get("uid")?.as_str().filter(|uid| !uid.is_empty())
}

fn names_services(kind: &Kind) -> bool {
    match kind {
        Kind::Dns | Kind::Tls | Kind::Http => true,
        Kind::Other(name) => &**name == "quic",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use weir_flow::{Extra, FlowRecord, Kind};

    use super::Join;

    fn record(kind: Kind, uid: &str, service: Option<&str>, domain: Option<&str>) -> FlowRecord {
        FlowRecord {
            kind,
            service: service.map(Into::into),
            domain: domain.map(Into::into),
            extra: Some(Box::new(Extra::from_iter([("uid", uid)]))),
            ..FlowRecord::default()
        }
    }

    fn told(join: &Join, uid: &str) -> (Option<String>, Option<String>) {
        let mut conn = record(Kind::Flow, uid, None, None);
        join.tell(&mut conn);
        (conn.service.map(|s| s.to_string()), conn.domain.map(|d| d.to_string()))
    }

    #[test]
    fn a_connection_is_named_by_the_first_name_that_its_protocol_said() {
        let mut join = Join::default();
        join.learn(&record(Kind::Http, "C1", Some("http"), None));
        join.learn(&record(Kind::Http, "C1", Some("http"), Some("a.example")));
        join.learn(&record(Kind::Http, "C1", Some("http"), Some("b.example")));
        join.learn(&record(Kind::Other("weird".into()), "C2", None, Some("c.example")));
        assert_eq!(told(&join, "C1"), (Some("http".to_owned()), Some("a.example".to_owned())));
        assert_eq!(told(&join, "C2"), (None, None));
    }

    #[test]
    fn what_a_connection_says_itself_stands() {
        let mut join = Join::default();
        join.learn(&record(Kind::Tls, "C1", Some("ssl"), Some("a.example")));
        let mut conn = record(Kind::Flow, "C1", Some("imap,ssl"), None);
        join.tell(&mut conn);
        assert_eq!((conn.service.as_deref(), conn.domain.as_deref()), (Some("imap,ssl"), Some("a.example")));
        let mut dns = record(Kind::Dns, "C1", None, None);
        join.tell(&mut dns);
        assert_eq!(dns.domain, None, "only a connection is told");
    }

    #[test]
    fn the_oldest_give_way_and_are_counted() {
        let mut join = Join::new(2);
        for uid in ["C1", "C2", "C2", "C3"] {
            join.learn(&record(Kind::Dns, uid, Some("dns"), Some("a.example")));
        }
        assert_eq!((join.len(), join.dropped()), (2, 1));
        assert_eq!(told(&join, "C1"), (None, None));
        assert_ne!(told(&join, "C3"), (None, None));
    }

    #[test]
    fn names_and_uids_of_absurd_length_take_no_memory() {
        let mut join = Join::default();
        join.learn(&record(Kind::Dns, &"C".repeat(65), Some("dns"), None));
        assert!(join.is_empty());
        join.learn(&record(Kind::Dns, "C1", Some("dns"), Some(&"a".repeat(256))));
        assert_eq!(told(&join, "C1"), (Some("dns".to_owned()), None));
    }
}
