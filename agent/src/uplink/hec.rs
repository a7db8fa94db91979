//! The language of Splunk's HTTP Event Collector: rows become events, answers become verdicts.
//!
//! Source: Splunk, "Format events for HTTP Event Collector" and "Troubleshoot HTTP Event Collector", which lists the
//! codes.

use std::borrow::Cow;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_store::StoredRow;
use weir_web::Splunk;

use super::http::Answer;
use crate::log::{cut, printable};

/// Octets of events in a request, before packing: what collectors were long set to take (`max_content_length`). A larger
/// event goes alone.
const MAX_EVENT_BYTES: usize = 1_000_000;
/// Octets that are told of what a receiver says.
const MAX_SAID: usize = 200;

/// What rustls says of a receiver that does not prove who it is; another attempt would hear the same.
const UNTRUSTED: &str = "invalid peer certificate";

/// What a request's answer means for what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is delivered.
    Accepted,
    /// One event will never be taken: the one of this number, from 0, where the receiver tells.
    EventRefused(Option<usize>),
    /// The request was too long.
    TooLarge,
    /// Nothing will be taken until someone changes a setting.
    Refused,
    /// Another attempt may succeed.
    Later,
}

/// What a receiver said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// For people.
    pub(super) reason: String,
    pub(super) status: Option<u16>,
    pub(super) retry_after: Option<u64>,
}

/// The body of an answer: `{"text":"Invalid data format","code":6,"invalid-event-number":0}`.
#[derive(Default, Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    code: Option<i64>,
    #[serde(rename = "invalid-event-number")]
    number: Option<u64>,
}

/// What an event needs of its row.
#[derive(Default, Deserialize)]
struct Head<'a> {
    ts_ms: Option<i64>,
    #[serde(borrow)]
    source: Option<Cow<'a, str>>,
}

/// Makes the bodies of requests.
pub(super) struct Events {
    /// What every event ends its members with.
    common: String,
}

impl Events {
    /// Events of the device called `host`.
    pub(super) fn new(splunk: &Splunk, host: &str) -> Self {
        let (host, sourcetype, index) = (json!(host), json!(splunk.sourcetype), json!(splunk.index));
        let mut common = format!(r#""host":{host},"sourcetype":{sourcetype},"index":{index},"#);
        if !splunk.extra_fields.is_empty() {
            common += &format!(r#""fields":{},"#, Value::Object(splunk.extra_fields.clone()));
        }
        Self { common }
    }

    /// Events of as many `rows` as a request holds, at least one, packed; and how many those are.
    pub(super) fn pack(&self, rows: &[StoredRow]) -> io::Result<(Vec<u8>, usize)> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let (mut octets, mut count) = (0, 0);
        let mut event = Vec::new();
        for row in rows {
            event.clear();
            self.write(row, &mut event)?;
            octets += event.len();
            if count > 0 && octets > MAX_EVENT_BYTES {
                break;
            }
            packer.write_all(&event)?;
            count += 1;
        }
        Ok((packer.finish()?, count))
    }

    /// One event that says that it is a test, packed.
    pub(super) fn test(&self) -> io::Result<Vec<u8>> {
        let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
        let event = json!({ "kind": "test", "message": "Weir tests its output" });
        write!(packer, r#"{{"source":"weir:test",{}"event":{event}}}"#, self.common)?;
        packer.finish()
    }

    fn write(&self, row: &StoredRow, to: &mut Vec<u8>) -> io::Result<()> {
        let head: Head<'_> = serde_json::from_str(&row.json).unwrap_or_default();
        to.push(b'{');
        // Splunk takes no time before 1970; without one it stamps the event itself.
        if let Some(ms @ 0..) = head.ts_ms {
            write!(to, r#""time":{}.{:03},"#, ms / 1_000, ms % 1_000)?;
        }
        let source = format!("weir:{}", head.source.as_deref().unwrap_or("record"));
        writeln!(to, r#""source":{},{}"event":{}}}"#, json!(source), self.common, row.json)
    }
}

/// What `answer` means; or that there was none, and why.
pub(super) fn judge(answer: Result<Answer, String>) -> (Verdict, Said) {
    match answer {
        Ok(answer) => {
            let body: Body<'_> = serde_json::from_slice(&answer.body).unwrap_or_default();
            let verdict = verdict(answer.status, &body);
            let reason = reason(&verdict, answer.status, &body);
            (verdict, Said { reason, status: Some(answer.status), retry_after: answer.retry_after })
        }
        Err(why) => {
            let (verdict, advice) = if why.contains(UNTRUSTED) {
                (Verdict::Refused, "add the authority of its certificate to those of this system")
            } else {
                (Verdict::Later, "check hec_url, the network and the collector")
            };
            let why = printable(cut(&why, MAX_SAID));
            let reason = format!("Splunk gave no answer ({why}); {advice}");
            (verdict, Said { reason, ..Said::default() })
        }
    }
}

fn verdict(status: u16, body: &Body<'_>) -> Verdict {
    match (status, body.code) {
        (200..=299, Some(0)) => Verdict::Accepted,
        // A portal, or another server than a collector: the rows are not there.
        (200..=299, _) => Verdict::Later,
        // No data, invalid data, event missing or blank, indexed fields not usable.
        (400, Some(5 | 6 | 12 | 13 | 15)) => {
            Verdict::EventRefused(body.number.and_then(|number| usize::try_from(number).ok()))
        }
        (413, _) => Verdict::TooLarge,
        (408 | 425 | 429 | 500.., _) => Verdict::Later,
        _ => Verdict::Refused,
    }
}

fn reason(verdict: &Verdict, status: u16, body: &Body<'_>) -> String {
    let said = match (&body.text, body.code) {
        (Some(text), Some(code)) => format!(": {} (code {code})", printable(cut(text, MAX_SAID))),
        _ => ", but not as a collector does".to_owned(),
    };
    let advice = match (verdict, status, body.code) {
        (Verdict::Accepted | Verdict::EventRefused(_), ..) => "",
        (_, 300..=399, _) => "; it redirects, which is not followed: set hec_url to where it really is",
        (_, 401 | 403, _) => "; check the token",
        (Verdict::Refused, _, Some(7)) => "; set an index that the token may write to",
        (Verdict::Refused, _, Some(10 | 11 | 14)) => "; use a token without indexer acknowledgement",
        (Verdict::Refused, 404 | 405, _) | (_, 200..=299, _) => "; check the path of hec_url",
        _ => "",
    };
    format!("Splunk answered {status}{said}{advice}")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use weir_store::StoredRow;
    use weir_web::Splunk;

    use super::{Answer, Events, MAX_EVENT_BYTES, Verdict, judge};

    fn splunk(more: &Value) -> Splunk {
        let mut body = json!({"hec_url": "http://splunk", "token": "t"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Splunk::read(body.as_object().unwrap(), None).unwrap()
    }

    fn row(row: u64, json: &str) -> StoredRow {
        StoredRow { id: format!("r-{row}"), row, json: json.to_owned() }
    }

    fn unpack(body: &[u8]) -> Vec<Value> {
        let mut text = String::new();
        GzDecoder::new(body).read_to_string(&mut text).unwrap();
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn rows_become_concatenated_events_with_their_time_and_origin() {
        let events = Events::new(&splunk(&json!({"extra_fields": {"rack": 7}})), "Zürich \"17\"");
        let rows = [
            row(1, r#"{"id":"r-1","ts_ms":1790000000005,"source":"netflow9","bytes":5}"#),
            row(2, r#"{"id":"r-2","ts_ms":-5}"#),
        ];
        let (body, count) = events.pack(&rows).unwrap();
        let events = unpack(&body);
        assert_eq!((count, events.len()), (2, 2));
        assert_eq!(
            events[0],
            json!({
                "time": 1_790_000_000.005, "host": "Zürich \"17\"", "source": "weir:netflow9",
                "sourcetype": "telemetry:event", "index": "telemetry", "fields": {"rack": 7},
                "event": {"id": "r-1", "ts_ms": 1_790_000_000_005_i64, "source": "netflow9", "bytes": 5},
            })
        );
        assert!(events[1].get("time").is_none());
    }

    #[test]
    fn a_request_holds_a_megabyte_or_one_event() {
        let events = Events::new(&splunk(&json!({})), "a");
        let long = format!("{{\"text\":\"{}\"}}", "x".repeat(MAX_EVENT_BYTES / 2));
        let rows = [row(1, &long), row(2, &long), row(3, &long)];
        assert_eq!(events.pack(&rows).unwrap().1, 1);
        let longer = format!("{{\"text\":\"{}\"}}", "x".repeat(2 * MAX_EVENT_BYTES));
        assert_eq!(events.pack(&[row(1, &longer), row(2, "{}")]).unwrap().1, 1);
        assert_eq!(events.pack(&[row(1, "{}"), row(2, "{}")]).unwrap().1, 2);
    }

    fn judged(status: u16, body: &str) -> Verdict {
        judge(Ok(Answer { status, retry_after: None, body: body.as_bytes().to_vec() })).0
    }

    #[test]
    fn every_documented_answer_has_its_meaning() {
        let code = |status, code: u8| judged(status, &format!(r#"{{"text":"x","code":{code}}}"#));
        assert_eq!(code(200, 0), Verdict::Accepted);
        for refused in [7, 10, 11, 14, 16] {
            assert_eq!(code(400, refused), Verdict::Refused, "{refused}");
        }
        for (status, refused) in [(403, 1), (401, 2), (401, 3), (403, 4)] {
            assert_eq!(code(status, refused), Verdict::Refused, "{refused}");
        }
        for event in [5, 6, 12, 13, 15] {
            assert_eq!(code(400, event), Verdict::EventRefused(None), "{event}");
        }
        assert_eq!(code(500, 8), Verdict::Later);
        assert_eq!(code(503, 9), Verdict::Later);
        let numbered = r#"{"text":"Invalid data format","code":6,"invalid-event-number":3}"#;
        assert_eq!(judged(400, numbered), Verdict::EventRefused(Some(3)));
    }

    #[test]
    fn only_a_collectors_own_word_is_a_success() {
        for body in ["", "<html>ok</html>", "{}", "{\"code\":0", "[0]", r#"{"code":"0"}"#, r#"{"code":9}"#] {
            assert_eq!(judged(200, body), Verdict::Later, "{body}");
        }
        for (status, verdict) in [
            (301, Verdict::Refused),
            (404, Verdict::Refused),
            (408, Verdict::Later),
            (413, Verdict::TooLarge),
            (429, Verdict::Later),
            (502, Verdict::Later),
        ] {
            assert_eq!(judged(status, "<html>"), verdict, "{status}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_a_receiver_says_is_a_success_without_code_0(
            status in 100_u16..1_000,
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..64),
                "\\{\"text\":\"[a-z]{0,9}\",\"code\":[1-9][0-9]{0,24},\"invalid-event-number\":-?[0-9]{1,24}\\}"
                    .prop_map(String::into_bytes),
            ],
        ) {
            let (verdict, said) = judge(Ok(Answer { status, retry_after: None, body }));
            prop_assert!(verdict != Verdict::Accepted, "{}", said.reason);
            prop_assert_eq!(said.status, Some(status));
        }
    }

    #[test]
    fn what_a_receiver_says_cannot_forge_a_line() {
        let body = json!({"text": format!("a\n{}", "b".repeat(1_000)), "code": 9}).to_string();
        let (_, said) = judge(Ok(Answer { status: 503, retry_after: Some(7), body: body.into_bytes() }));
        assert!(!said.reason.contains('\n') && said.reason.len() < 400, "{}", said.reason);
        assert_eq!((said.status, said.retry_after), (Some(503), Some(7)));
        assert!(judge(Err("connection refused".to_owned())).1.reason.contains("connection refused"));
    }
}
